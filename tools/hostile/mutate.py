"""Damage a file, by its format's own words where it has some; the same number, the same damage."""

from __future__ import annotations

import gzip
import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .hdf5 import changed_hdf5
from .seeds import Empty, Link, Pipe, Seed, repacked

NUMBERS = (
    -1, 0, 1, 2, 7, 255, 65536, 99999999, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, 2**63,
    10**30, -(2**31), -(2**63), 0.5, 1e-300, 1e308, float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
WORDS = (
    "", " ", "nan", "-1", "é\u202e", "[/x]", "\x1b[2J", "%s%n", "../../../etc/passwd", "/dev/zero",
    "true", "null", "{", "[[[[", "'", '"', "\\", "x" * 70, "0x10", "1e999", "img", "wavelength",
)  # fmt: skip
DEEP = 30_000  # levels of nesting


def mutant(seeds: Sequence[Seed], number: int) -> Seed:
    """Return a damaged file: the n-th of these seeds."""
    chance = random.Random(f"{seeds[0].name}:{number}")
    seed = seeds[number % len(seeds)]
    if len(seed.files) > 1:
        return _in_folder(seed, seeds, chance)
    return _one_file(seed, seed.main, seeds, chance)


def _in_folder(seed: Seed, seeds: Sequence[Seed], chance: random.Random) -> Seed:
    """Damage one of several files, or put something else in its place."""
    described = [name for name in seed.files if name.endswith(("json", ".zarray", ".zattrs"))]
    words = [*described, *[name for name in seed.files if name.endswith((".hdr", ".rpl"))]]
    name = chance.choice(words if words and chance.random() < 0.7 else list(seed.files))
    if chance.random() < 0.9:
        return _one_file(seed, name, seeds, chance)
    others: list[Any] = [
        Link("/dev/zero"), Link("/dev/full"), Link("."), Link(".."), Link(seed.main), Pipe(),
        Link("/nowhere"), Empty(2**36), Empty(0), Link("/proc/self/mem"),
    ]  # fmt: skip
    other = chance.choice(others)
    return replace(seed, files=seed.files | {name: other}, damage=f"{name}: {other}")


def _one_file(seed: Seed, name: str, seeds: Sequence[Seed], chance: random.Random) -> Seed:
    """Damage one file of a seed."""
    content = seed.files[name]
    packed = name.endswith(".gz") and chance.random() < 0.7
    if packed:
        content = gzip.decompress(content)
    change = chance.choice(_changes(name, content))
    if chance.random() < 0.15:
        change = _spliced([each for other in seeds for each in other.files.values()])
    damage = change.__name__.strip("_")
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = change(content, chance)
    damaged = replace(seed, damage=f"{name}: {damage}")
    if packed:
        return repacked(damaged, content)
    return replace(damaged, files=seed.files | {name: content})


def _changes(name: str, content: bytes) -> list[Callable[[bytes, random.Random], bytes]]:
    """Return the ways to damage a file of this content; the likely ones are there twice."""
    plain = [_flip, _byte, _number, _cut, _drop, _repeat]
    if content[:4] == b"\x89HDF":
        return [*plain, *[changed_hdf5] * 5]
    if content[:9] == b"SIMPLE  =":
        return [*plain, *[_card] * 6]
    if name.endswith(".safetensors"):
        return [*plain, *[_tensors] * 6]
    if content[:1] in (b"{", b"[") and _parsed(content) is not None:
        return [*plain, *[_json] * 6]
    if content[:6] == b"\x93NUMPY":
        return [*plain, *[_word] * 6]
    if b"\0" not in content or name.endswith(".edf"):
        return [*plain, *[_word] * 5, _line, _line]
    return [*plain, _number]


# --- bytes ---------------------------------------------------------------------------------------


def _flip(content: bytes, chance: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 64)) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _byte(content: bytes, chance: random.Random) -> bytes:
    out = bytearray(content)
    if out:
        out[chance.randrange(len(out))] = chance.choice((0, 1, 127, 128, 254, 255))
    return bytes(out)


def _number(content: bytes, chance: random.Random) -> bytes:
    """Put a number of 2, 4 or 8 bytes somewhere, mostly where such a number can be."""
    size = chance.choice((2, 4, 4, 8, 8))
    if len(content) < size:
        return content
    at = chance.randrange(min(len(content), 4096) - size + 1) // chance.choice((1, 2, size))
    value = int(chance.choice([each for each in NUMBERS if isinstance(each, int)]))
    order = chance.choice(("little", "big"))
    data = (value % 2 ** (8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    return content[:at] + data + content[at + size :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    first = chance.randrange(len(content) + 1)
    return first, min(len(content), first + chance.choice((1, 4, 16, 80, 512, 2880)))


def _drop(content: bytes, chance: random.Random) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + content[last:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    first, last = _span(content, chance)
    return content[:last] + content[first:last] * chance.choice((1, 2, 200)) + content[last:]


def _spliced(contents: Sequence[Any]) -> Callable[[bytes, random.Random], bytes]:
    """Return a change that puts a part of another file in."""

    def splice(content: bytes, chance: random.Random) -> bytes:
        other = chance.choice([each for each in contents if isinstance(each, bytes)])
        (first, last), at = _span(other, chance), chance.randrange(len(content) + 1)
        return content[:at] + other[first:last] + content[at + (last - first) :]

    return splice


# --- words ---------------------------------------------------------------------------------------


def _value(chance: random.Random) -> str:
    return str(chance.choice((*NUMBERS, *WORDS)))


def _word(content: bytes, chance: random.Random) -> bytes:
    """Replace a number or a word of a text by another."""
    places = list(re.finditer(rb"[-+.\w]+", content[:6000]))
    if not places:
        return content
    at = chance.choice(places)
    if content[:6] == b"\x93NUMPY":  # the header keeps its length
        return (
            content[: at.start()]
            + _padded(_value(chance), at.end() - at.start())
            + (content[at.end() :])
        )
    return content[: at.start()] + _value(chance).encode() + content[at.end() :]


def _padded(text: str, size: int) -> bytes:
    return text.encode()[:size].ljust(size)


def _line(content: bytes, chance: random.Random) -> bytes:
    """Drop, repeat or nest a line of a text."""
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif kind == 2:
        key = lines[at].partition(b"=")[0]
        lines[at] = key + b"= " + chance.choice((b"[" * DEEP, b"{" * DEEP, b"{a=" * DEEP))
    else:
        lines[at] = b".".join([b"a"] * chance.choice((9, DEEP))) + b" = 1"
    return b"\n".join(lines)


def _card(content: bytes, chance: random.Random) -> bytes:
    """Change the value, or the name, of a card of a FITS header."""
    cards = [at for at in range(0, min(len(content), 60_000) - 80, 80)
             if content[at + 8 : at + 10] == b"= "]  # fmt: skip
    if not cards:
        return content
    at = chance.choice(cards)
    name = content[at : at + 8]
    if chance.random() < 0.1:
        name = content[(other := chance.choice(cards)) : other + 8]
    value = _value(chance).encode("ascii", "replace").decode()[:68]
    text = f"'{value:<8}'" if chance.random() < 0.3 else f"{value:>20}"
    if chance.random() < 0.1:
        name, text = b"END     ", ""
    return content[:at] + name + b"= " + _padded(text, 70) + content[at + 80 :]


# --- JSON ----------------------------------------------------------------------------------------


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _json(content: bytes, chance: random.Random) -> bytes:
    """Change one value of a JSON document."""
    document = _parsed(content)
    if not isinstance(document, (dict, list)) or not document:
        return content
    if chance.random() < 0.05:
        deep = chance.choice((b"[", b'{"a":')) * DEEP
        return content[:-1] + (b',"x":' if content[:1] == b"{" else b",") + deep
    change_value(document, chance)
    return json.dumps(document).encode()


def change_value(document: Any, chance: random.Random) -> None:
    """Change one value in a document of lists and dicts, in place."""
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = chance.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and chance.random() < 0.85:
            node = node[key]
            continue
        kind = chance.random()
        if kind < 0.1:
            del node[key]
        elif kind < 0.2 and isinstance(node, dict):
            node[chance.choice(WORDS)] = node.pop(key)
        else:
            new: list[Any] = [*NUMBERS, *NUMBERS, *WORDS, None, True, [], {}, [node[key]]]
            node[key] = chance.choice([*new, node[chance.choice(keys)]])
        return


def _tensors(content: bytes, chance: random.Random) -> bytes:
    """Change the header of a safetensors file, and the description in it."""
    (size,) = struct.unpack("<Q", content[:8])
    header = _parsed(content[8 : 8 + size])
    if not isinstance(header, dict) or not header:
        return content
    inner = header.get("__metadata__", {})
    if (
        isinstance(inner, dict)
        and isinstance(inner.get("spectessera"), str)
        and chance.random() < 0.7
    ):
        inner["spectessera"] = _json(inner["spectessera"].encode(), chance).decode()
    else:
        change_value(header, chance)
    whole = json.dumps(header).encode()
    return struct.pack("<Q", len(whole)) + whole + content[8 + size :]
