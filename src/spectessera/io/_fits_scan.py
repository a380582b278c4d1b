"""A strict scan of the headers of a FITS file, before any library reads it.

Only what decides on sizes and types is looked at: cards of 80 characters in blocks of 2880 bytes,
an END in every header, sizes that are integers and not negative. The data are passed over.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectessera._util.reading import FileRefused, reading

from ._limits import check_chunk, check_declared, check_packed

BLOCK, CARD = 2880, 80
MAX_HEADER = 1000 * BLOCK  # bytes of one header: 36,000 cards
MAX_HDUS = 2000
MAX_AXES = 32
MAX_LENGTH = 2**40
MAX_FIELDS = 999  # of a table, by the standard
BITPIX = (8, 16, 32, 64, -32, -64)
PIECE = 2**20
# Values of these keywords are texts; some of them have the number of an axis or a column.
TEXTS = re.compile(r"(XTENSION|EXTNAME|BUNIT|(CTYPE|CUNIT|TTYPE|TFORM|TUNIT|ZCTYP|ZCUNI)\d{1,3})")
SIZES = re.compile(
    r"(SIMPLE|XTENSION|GROUPS|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|ZIMAGE|ZBITPIX|ZNAXIS\d*|"
    r"ZTILE\d+)"
)
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([ED][+-]?\d+)?")
_TEXT = re.compile(r"'((?:[^']|'')*)'")
Cards = dict[str, Any]


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed by gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


class Scanned(NamedTuple):
    """The bytes of a FITS file, unpacked, and where the data of every part begin."""

    size: int
    places: list[int]


def scan_fits(path: Path) -> Scanned:
    """Check the headers of a FITS file, compressed by gzip or not.

    Where the file ends within the data of a part, the scan ends too: whether that part is needed is
    known later.

    Raises
    ------
    ValueError
        If a header is broken, or declares what cannot be, or more than the file can hold.
    """
    stored, packed = path.stat().st_size, is_gzip(path)
    with reading(path, "FITS"), gzip.open(path) if packed else path.open("rb") as stream:
        scan = _Scan(path, stream, stored, packed)
        places: list[int] = []
        while len(places) < MAX_HDUS:
            cards = scan.header(len(places))
            if cards is None:
                return Scanned(scan.rest(), places)
            _check_part(f"{path}: part {len(places)} of the file", cards, stored)
            places.append(scan.position)
            if not scan.skip(_data_bytes(cards)):
                return Scanned(scan.position, places)
    raise FileRefused(f"{path} has more than {MAX_HDUS} parts (HDUs)")


def as_scanned(opened: Any, places: list[int]) -> Any:
    """Return the parts of an open file that were scanned, without what astropy makes of the rest.

    Raises
    ------
    ValueError
        If astropy finds the data of a part elsewhere.
    """
    from astropy.io import fits

    hdus = fits.HDUList()
    for number, place in enumerate(places):
        hdu = opened[number]
        if hdu.fileinfo()["datLoc"] != place:
            raise ValueError(f"the header of part {number} can be read in two ways")
        list.append(hdus, hdu)  # as it is: HDUList.append would change its header
    return hdus


class _Scan:
    """The way through a file, block by block."""

    def __init__(self, path: Path, stream: Any, stored: int, packed: bool) -> None:
        self.path, self.stream, self.stored, self.packed = path, stream, stored, packed
        self.position = 0

    def header(self, part: int) -> Cards | None:
        """Return the cards of the next header that matter, None where no part follows."""
        cards: Cards = {}
        start = b"SIMPLE  =" if part == 0 else b"XTENSION="
        for number in range(MAX_HEADER // BLOCK):
            block = self.stream.read(BLOCK)
            self.position += len(block)
            if number == 0 and not block.startswith(start):
                if part == 0:
                    raise ValueError("it does not begin with SIMPLE")
                return None  # other bytes may follow the last part
            if len(block) < BLOCK:
                raise ValueError(f"the header of part {part} has no END")
            if _take(cards, block, part):
                return cards
        raise ValueError(f"the header of part {part} has no END within {MAX_HEADER} bytes")

    def skip(self, size: int) -> bool:
        """Pass over data, which fill their last block; False if the file ends before."""
        target = self.position + -(-size // BLOCK) * BLOCK
        if not self.packed:
            self.position = min(target, self.stored)
            self.stream.seek(self.position)
            return target < self.stored
        self._check(target)
        while self.position < target:
            piece = self.stream.read(min(PIECE, target - self.position))
            if not piece:
                return False
            self.position += len(piece)
        return True

    def rest(self) -> int:
        """Return the size of the file; of a gzip file all is read, which detects damage."""
        if not self.packed:
            return self.stored
        while piece := self.stream.read(PIECE):
            self.position += len(piece)
            self._check(self.position)
        return self.position

    def _check(self, size: int) -> None:
        check_packed(str(self.path), size, self.stored, "unpack it first (gunzip)")


def _take(cards: Cards, block: bytes, part: int) -> bool:
    """Take the cards of one block; whether END is among them."""
    for at in range(0, BLOCK, CARD):
        card = block[at : at + CARD]
        name = card[:8].rstrip().decode("latin-1")
        if name == "END":
            if card[3:].strip():
                raise ValueError(f"END of part {part} is followed by other text")
            return True
        sized = SIZES.fullmatch(name)
        if card[8:10] != b"= " or not (sized or TEXTS.fullmatch(name)):
            continue
        value = _value(card[10:].decode("latin-1"))
        if sized and cards.get(name, value) != value:
            raise ValueError(f"{name} stands twice in part {part}: {cards[name]} and {value}")
        cards.setdefault(name, value)
    return False


def _value(text: str) -> Any:
    """Return the value of a card: text, number or bool; None where there is none of these."""
    text = text.lstrip()
    quoted = _TEXT.match(text)
    if quoted:
        return quoted[1].rstrip()
    plain = text.partition("/")[0].strip()
    if plain in ("T", "F"):
        return plain == "T"
    if _INTEGER.fullmatch(plain):
        return int(plain)
    return float(plain.replace("D", "E")) if _NUMBER.fullmatch(plain) else None


def _integer(cards: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Return the integer of a card."""
    if name not in cards:
        raise ValueError(f"{name} is missing")
    value = cards[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be an integer from {low} to {high}; it is {value}")
    return value


def _check_part(what: str, cards: Cards, stored: int) -> None:
    """Raise ValueError if a header contradicts the standard, or declares too much."""
    try:
        for name, value in cards.items():
            if TEXTS.fullmatch(name) and not isinstance(value, (str, type(None))):
                raise ValueError(f"{name} must be a text in quotes; it is {value}")
        if _integer(cards, "BITPIX", -64, 64) not in BITPIX:
            raise ValueError(f"BITPIX must be one of {BITPIX}; it is {cards['BITPIX']}")
        _shape(cards, "NAXIS")
        if "TFIELDS" in cards:
            _integer(cards, "TFIELDS", 0, MAX_FIELDS)
        if cards.get("ZIMAGE") is True:
            _check_tiles(what, cards, stored)
    except FileRefused:
        raise
    except ValueError as error:
        raise FileRefused(f"{what}: {error}; the file is damaged") from error


def _shape(cards: Cards, word: str) -> list[int]:
    """Return the lengths of the axes of an image, the fastest first."""
    count = _integer(cards, word, 0, MAX_AXES)
    return [_integer(cards, f"{word}{n}", 0, MAX_LENGTH) for n in range(1, count + 1)]


def _data_bytes(cards: Cards) -> int:
    """Return the bytes of the data of a part."""
    shape = _shape(cards, "NAXIS")
    if cards.get("GROUPS") is True and shape[:1] == [0]:
        shape = shape[1:]
    more = {"PCOUNT": 0, "GCOUNT": 1} | cards
    before = _integer(more, "PCOUNT", 0, MAX_LENGTH)
    count = _integer(more, "GCOUNT", 0, MAX_LENGTH)
    values = math.prod(shape) if shape else 0
    return abs(cards["BITPIX"]) // 8 * count * (before + values)


def _check_tiles(what: str, cards: Cards, stored: int) -> None:
    """Raise ValueError if a tile-compressed image is too large, or does not fit its table."""
    bitpix = _integer(cards, "ZBITPIX", -64, 64)
    if bitpix not in BITPIX:
        raise ValueError(f"ZBITPIX must be one of {BITPIX}; it is {bitpix}")
    dtype = np.dtype(f"{'f' if bitpix < 0 else 'i'}{abs(bitpix) // 8}")
    shape = _shape(cards, "ZNAXIS")
    rows = [max(1, size) if n == 0 else 1 for n, size in enumerate(shape)]  # without ZTILEn
    tile = [_integer({f"ZTILE{n}": one} | cards, f"ZTILE{n}", 1, MAX_LENGTH)
            for n, one in enumerate(rows, 1)]  # fmt: skip
    tile = [min(one, size) for one, size in zip(tile, shape, strict=True)]
    if shape and min(shape) > 0:
        count = math.prod(-(-size // one) for size, one in zip(shape, tile, strict=True))
        if cards["NAXIS2"] != count:
            raise ValueError(f"{cards['NAXIS2']} tiles are stored, and {count} are due")
    check_declared(what, shape[::-1], dtype, stored, lazy=True)
    check_chunk(what, tile[::-1], dtype, stored)
