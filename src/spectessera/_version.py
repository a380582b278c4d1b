"""The version of the package: that of its installation, which the build takes from the git tag."""

from importlib.metadata import PackageNotFoundError, version

# What a folder of the sources says that was never installed: no version is invented for it.
UNKNOWN = "0.0.0"


def _installed() -> str:
    """Return the version with which the package was installed."""
    try:
        return version("spectessera")
    except PackageNotFoundError:
        return UNKNOWN


__version__ = _installed()
