"""`python -m spectessera.cli`."""

from .app import main

main()
