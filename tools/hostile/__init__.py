"""Try to break the package from outside: damaged files, kills, full disks, signals, two writers.

``python -m tools.hostile`` runs everything, writes what happened to ``record.json`` and makes the
table of ``docs/trust.md`` from it; ``--help`` lists the parts. Linux only.
"""
