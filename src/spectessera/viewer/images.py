"""Read the photographs and infrared pictures that are laid under a map."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from spectessera._util.reading import check_regular

# Larger pictures are refused before they are unpacked: 400 MB of colours and opacity.
MOST_PIXELS = 10**8
# Of pictures with more than 8 bits, these percentiles become black and white.
DARKEST, BRIGHTEST = 0.5, 99.5
# Formats that Pillow hands to other programs are not read.
_REFUSED = {"EPS", "WMF", "GRIB", "BUFR", "HDF5", "MPEG", "PDF", "STUB"}
_VALUES_FOR_RANGE = 10**6


def read_image(path: str | Path) -> np.ndarray:
    """Return a picture as red, green, blue and opacity, turned upright.

    Reads what Pillow reads (PNG, JPEG, TIFF, WebP, BMP, JPEG 2000 ...). Of a file with several
    pictures, the first. Grey values of more than 8 bits are stretched from their 0.5th to their
    99.5th percentile, infrared pictures among them; NaN becomes transparent.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    array (y, x, 4), uint8

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it may not be read.
    ValueError
        If it is no picture that can be read, is damaged, or has more than 100 million pixels.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (3, 2), "red").save(f"{folder}/photo.png")
    ...     image = read_image(f"{folder}/photo.png")
    >>> image.shape, image[0, 0].tolist()
    ((2, 3, 4), [255, 0, 0, 255])
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    check_regular(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no picture {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the file of a picture")
    Image.init()
    allowed = [name for name in Image.OPEN if name not in _REFUSED]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata; large pictures are refused here
            with Image.open(path, formats=allowed) as picture:
                _check_size(path, picture.size)
                upright: Any = ImageOps.exif_transpose(picture)
                return _rgba(upright)
    except PermissionError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path} is no picture that can be read; save it as PNG, JPEG or TIFF (16-bit TIFF in "
            "grey)"
        ) from error
    except (OSError, SyntaxError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(
            f"{path} cannot be read as a picture; it may be damaged: {error}"
        ) from error


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if math.prod(size) > MOST_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> ValueError:
    return ValueError(
        f"{path} has more than {MOST_PIXELS // 10**6} million pixels; give a smaller copy: a map "
        "does not show more"
    )


def _rgba(picture: Any) -> np.ndarray:
    """Return a picture of Pillow as an array (y, x, 4), uint8."""
    if picture.mode[0] in "IF":
        return _stretched(np.asarray(picture))
    return np.array(picture.convert("RGBA"))


def _stretched(values: np.ndarray) -> np.ndarray:
    """Return grey values (y, x) of more than 8 bits as a picture."""
    values = values.astype(np.float32)
    finite = np.isfinite(values)
    image = np.zeros((*values.shape, 4), np.uint8)
    if finite.any():
        some = values[finite][:: max(1, values.size // _VALUES_FOR_RANGE)]
        low, high = np.percentile(some, (DARKEST, BRIGHTEST))
        span = high - low if high > low else 1.0
        grey = np.clip((np.where(finite, values, low) - low) / span, 0, 1)
        image[..., :3] = np.rint(255 * grey)[..., None]
    image[..., 3] = np.where(finite, 255, 0)
    return image
