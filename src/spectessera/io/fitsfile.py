"""Open FITS files whose headers were checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spectessera._util.reading import check_regular, reading

from ._fits_scan import as_scanned, scan_fits


@contextmanager
def ignore_astropy_warnings() -> Iterator[None]:
    """Ignore the warnings of astropy, which warns of every header that it corrects."""
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        # raised for every MUSE header, which has both CD and CDELT
        warnings.filterwarnings("ignore", "cdelt will be ignored", RuntimeWarning)
        yield


@contextmanager
def fits_parts(path: Path) -> Iterator[tuple[Any, int]]:
    """Give the parts (HDUs) of a FITS file, and its bytes, those in a gzip file unpacked.

    Raises
    ------
    ValueError
        If a header is broken, or declares what cannot be, or more than the file can hold.
    """
    from astropy.io import fits

    check_regular(path)
    scanned = scan_fits(path)
    with ignore_astropy_warnings():
        with reading(path, "FITS", fits.VerifyError):
            opened = fits.open(path, memmap=False)
            parts = as_scanned(opened, scanned.places)
        with opened:
            yield parts, scanned.size
