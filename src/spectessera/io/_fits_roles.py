"""What the images of a FITS file are for: the cube, its noise, its flags, or something else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ._common import check_three_axes, listing

# Words in the names of images, and what they say. One image may have several words: the first of
# these tables that has one of them decides.
OTHER = {
    "COVERAGE", "COV", "WMAP", "WEIGHT", "WEIGHTS", "WHT", "HITS", "EXPOSURE", "EXPMAP", "NEXP",
    "ERRWEIGHT", "FIBCOVER", "DISP", "PREDISP", "SPECRES", "SPECRESD", "PRESPECRES",
    "PRESPECRESD", "LSF", "PSF", "FWHM", "COVAR", "COVARIANCE", "CORREL", "REDCORR", "SNR",
    "RESOLUTION", "CTX", "CON",
}  # fmt: skip
FLAGS = {"DQ", "MASK", "MASKS", "FLAG", "FLAGS", "BADPIX", "BPM", "QUALITY", "QUAL", "DATAQUALITY"}
NOISE = {
    "IVAR": "ivar", "INVVAR": "ivar", "STAT": "variance", "VAR": "variance",
    "VARIANCE": "variance", "ERR": "error", "ERROR": "error", "ERRORS": "error",
    "UNCERT": "error", "UNCERTAINTY": "error", "SIGMA": "error", "RMS": "error", "STD": "error",
    "STDDEV": "error", "STDEV": "error", "NOISE": "error",
}  # fmt: skip
SCIENCE = ("DATA", "SCIENCE", "SCI", "FLUX", "PRIMARY")


class Role(NamedTuple):
    """What the name of an image says about it.

    Attributes
    ----------
    kind : "science", "noise", "flags", "other" or ""
        "" where the name says nothing.
    form : str
        Of noise: "variance", "error" or "ivar".
    rest : tuple of str
        The other words of the name, such as a detector or a number, sorted.
    """

    kind: str
    form: str
    rest: tuple[str, ...]


def role_of(name: str) -> Role:
    """Return what the name of an image says, such as ``SCI``, ``Flux_err`` or ``IVAR-B``."""
    words = re.findall(r"[A-Z]+|\d+", name.upper())
    stems = [_without_science(word) for word in words]
    for kind, table in (("other", OTHER), ("flags", FLAGS), ("noise", NOISE), ("science", SCIENCE)):
        at = [place for place, stem in enumerate(stems) if stem in table]
        if at:
            rest = [w for place, w in enumerate(stems) if place != at[0] and w not in SCIENCE]
            return Role(kind, NOISE.get(stems[at[0]], ""), tuple(sorted(rest)))
    return Role("", "", tuple(sorted(words)))


def _without_science(word: str) -> str:
    """Return a word such as FLUXERR without the name of what it belongs to: ERR."""
    known = OTHER | FLAGS | set(NOISE)
    if word in known or word in SCIENCE:
        return word
    for stem in SCIENCE:
        for left in (word.removeprefix(stem), word.removesuffix(stem)):
            if left in known:
                return left
    return word


def label(images: Mapping[int, Any], number: int) -> str:
    """Return the number and the name of an image, for messages."""
    return f"{number} {images[number].name or 'without name'}"


def squeezed_ndim(shape: tuple[int, ...]) -> int:
    """Return the number of axes without those of length 1, of which as many stay as 3 axes need."""
    return max(min(len(shape), 3), sum(size != 1 for size in shape))


def numbers_of(images: Mapping[int, Any], key: str | int) -> list[int]:
    """Return the images that a user means by a name, or else by a number."""
    text = str(key).strip().upper()
    named = [n for n in images if images[n].name.upper() == text]
    return named or [n for n in images if str(n) == text]


def pick(path: Path, images: Mapping[int, Any], key: str | int | None) -> tuple[int, list[str]]:
    """Return the number of the image that is the cube, and notes on what was assumed.

    Raises
    ------
    ValueError
        If there is none, several could be meant, or the user asks for one that is not there.
    """
    shapes = {number: tuple(hdu.shape) for number, hdu in images.items()}
    table = listing({label(images, n): shapes[n][::-1] for n in images if shapes[n]})
    if key is not None:
        numbers = numbers_of(images, key)
        if not numbers:
            raise ValueError(f"{path} has no image {key!r}; there is: {table}")
        if len(shapes[numbers[0]]) < 3:
            check_three_axes(path, str(key), shapes[numbers[0]])
        return numbers[0], _belongs_to_another(images, numbers[0])
    cubes = [n for n in images if squeezed_ndim(shapes[n]) == 3]
    if not cubes:
        raise ValueError(f"{path} has no image of 3 axes; there is: {table}")
    chosen = candidates(images, cubes)
    if len(chosen) > 1 and chosen[0] == 0 and _has_companions(images):
        others = ", ".join(label(images, n) for n in chosen[1:])
        return 0, [f"the primary image is taken as the cube; there is also {others} (--key)"]
    if len(chosen) > 1:
        several = listing({label(images, n): shapes[n][::-1] for n in chosen})
        raise ValueError(f"{path} has several images of 3 axes: {several}; choose one with key=")
    alone = role_of(images[chosen[0]].name).kind in ("noise", "flags", "other")
    note = f"the only image of 3 axes, {images[chosen[0]].name}, is taken as the cube"
    return chosen[0], [note] if alone else []


def _belongs_to_another(images: Mapping[int, Any], number: int) -> list[str]:
    """Return a note if the image that a user asks for is the noise or the flags of another one."""
    what = {"noise": "the noise", "flags": "the flags", "other": "not the values"}
    kind = _role(images[number]).kind
    cubes = [n for n in images if squeezed_ndim(tuple(images[n].shape)) == 3]
    others = [n for n in candidates(images, cubes) if _role(images[n]).kind in ("science", "")]
    if kind not in what or not others or number in others:
        return []
    return [
        f"image {label(images, number)} is, by its name, {what[kind]} of another image: as a cube "
        f"it shows no spectra; that is {label(images, others[0])} (--key {others[0]})"
    ]


def _has_companions(images: Mapping[int, Any]) -> bool:
    """Whether there is noise or flags of an image without a name, which the primary one is."""
    roles = (_role(hdu) for n, hdu in images.items() if n != 0)
    return any(role.kind in ("noise", "flags") and not role.rest for role in roles)


def candidates(images: Mapping[int, Any], cubes: list[int]) -> list[int]:
    """Return those of several images that may be the cube, best evidence first.

    DATA, SCI or FLUX, whatever else there is; otherwise all that are not named as companions.
    """
    roles = {n: _role(images[n]) for n in cubes}
    named = [n for n in cubes if roles[n].kind == "science" and images[n].name != "PRIMARY"]
    plain = [n for n in named if not roles[n].rest]
    genuine = [n for n in cubes if roles[n].kind in ("science", "")]
    return plain or named or genuine or cubes


def _role(hdu: Any) -> Role:
    """Return the role of an image by its name, or else by its header (ESO's HDUCLAS2).

    Some programs copy the header of the cube, with HDUCLAS2, to the image of its variance.
    """
    role = role_of(hdu.name)
    if role.kind:
        return role
    declared = str(hdu.header.get("HDUCLAS2", "")).strip().upper()
    kind = {"DATA": "science", "ERROR": "noise", "QUALITY": "flags"}.get(declared, role.kind)
    return role._replace(kind=kind)


class Companions(NamedTuple):
    """The images that belong to a cube.

    Attributes
    ----------
    noise : int or None
        Number of the image of the noise.
    form : str
        "variance", "error" or "ivar", by its name.
    flags : list of int
    """

    noise: int | None
    form: str
    flags: list[int]


def companions(images: Mapping[int, Any], number: int) -> Companions:
    """Return the noise and the flags that belong to an image.

    They are named by its header (ERRDATA, QUALDATA), or have the words of its name other than
    SCI, DATA or FLUX: ``IVAR_B`` belongs to ``FLUX_B``.
    """
    header = images[number].header
    own, version = role_of(images[number].name), _version(images[number])
    cubes = [n for n in images if squeezed_ndim(tuple(images[n].shape)) == 3]
    only = candidates(images, cubes) == [number]
    noise: list[int] = []
    flags: list[int] = []
    for n, hdu in images.items():
        role = _role(hdu)
        if n == number or not hdu.shape or role.kind not in ("noise", "flags"):
            continue
        same = _names_match(role.rest, own, only) and _version(hdu) in (version, None)
        named = str(header.get("ERRDATA" if role.kind == "noise" else "QUALDATA", "")).upper()
        if named.strip() == hdu.name.upper() or (same and not named.strip()):
            (noise if role.kind == "noise" else flags).append(n)
    declared = str(header.get("ERRDATA", "")).strip().upper()
    noise += [n for n in images if n != number and declared == images[n].name.upper() != ""]
    shape = tuple(images[number].shape)
    noise.sort(key=lambda n: (tuple(images[n].shape) != shape, len(role_of(images[n].name).rest)))
    form = (role_of(images[noise[0]].name).form or "variance") if noise else ""
    return Companions(noise[0] if noise else None, form, flags)


def _names_match(rest: tuple[str, ...], own: Role, only: bool) -> bool:
    """Whether the other words in the name of a companion are those of the cube."""
    if own.rest and rest == own.rest:
        return True
    return not rest and (only or (own.kind == "science" and not own.rest))


def _version(hdu: Any) -> int | None:
    """Return EXTVER, None if it is not given."""
    version = hdu.header.get("EXTVER")
    return version if isinstance(version, int) else None
