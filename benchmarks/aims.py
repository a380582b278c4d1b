"""The table at the top of RESULTS.md, read from the sections below it.

So it changes with every section that is measured again, and with nothing else.
"""

import re
from collections.abc import Callable
from typing import NamedTuple


class Aim(NamedTuple):
    """A row: what was measured, the value, the limit, and how it compares with others.

    ``limit`` is "at most 1.3", "at least 20", "none", "all the same", or empty without an aim.
    """

    what: str
    value: str
    limit: str = ""
    peers: str = ""

    @property
    def met(self) -> str:
        """Return "yes", "no", or nothing without an aim."""
        if not self.limit:
            return ""
        words = self.limit.split()
        if words[:2] == ["at", "most"]:
            return "yes" if number(self.value) <= number(words[2]) else "no"
        if words[:2] == ["at", "least"]:
            return "yes" if number(self.value) >= number(words[2]) else "no"
        return "yes" if self.value == self.limit else "no"


def number(text: str) -> float:
    """Return the first number of a text, which may have thousands separators."""
    found = re.search(r"-?\d[\d,]*\.?\d*", text)
    if found is None:
        raise ValueError(f"expected a number in {text!r}")
    return float(found.group().replace(",", ""))


def rows(lines: list[str], first: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this name, as cells."""
    head = re.compile(rf"\| *{re.escape(first)} *\|")
    start = next((at for at, line in enumerate(lines) if head.match(line)), None)
    if start is None:
        return []
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return found


def captured(lines: list[str], pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern in the text of a section, without its line breaks."""
    found = re.search(pattern, " ".join(lines))
    return found.groups() if found else ()


# --- the aims of every section -------------------------------------------------------------------


def starts(lines: list[str]) -> list[Aim]:
    """Return those of the command line, compared with a bare program of the same libraries."""
    table = rows(lines, "process")
    clock = {row[0]: row[3] for row in table}
    bare = {
        "`--help`": "a typer program with two empty commands, `--help`",
        "`info cube.h5`": "`import xarray, astropy.io.fits`",
        "`info cube.fits`": "`import xarray, astropy.io.fits`",
    }
    found = []
    for row in table:
        if len(row) > 5 and row[5]:
            other = bare.get(row[0], "`import torch`")
            peers = f"{number(row[3]) / number(clock[other]):.2f} of {other}"
            found.append(Aim(f"{row[0]}, s", row[3], f"at most {row[5]}", peers))
    return found


def steps(lines: list[str], how: str = "") -> list[Aim]:
    """Return the largest ratio of every kind of step and size of batch."""
    worst: dict[tuple[str, ...], float] = {}
    for row in rows(lines, "blocks"):
        key = (row[3], row[1], row[5], row[8])
        worst[key] = max(worst.get(key, 0.0), number(row[7]))
    return [
        Aim(f"{what}, batch {batch}{how}", f"{ratio:.2f}", f"at most {aim}", f"times {against}")
        for (what, batch, against, aim), ratio in worst.items()
    ]


def steps_of_one_thread(lines: list[str]) -> list[Aim]:
    """Return the same in processor time."""
    return steps(lines, ", processor")


def readings(lines: list[str]) -> list[Aim]:
    """Return the speed of reading, compared with the library of the format."""
    return [
        Aim(f"`read` of {file}, MB/s", mine, peers=f"{share} of {library}")
        for file, library, _, mine, share, *_ in rows(lines, "file")
    ]


def whole(lines: list[str]) -> list[Aim]:
    """Return the largest peak, and whether labels depend on chunks or threads."""
    table = rows(lines, "how")
    aim = captured(lines, r"aim: ([\d,]+) MiB")
    if not table or not aim:
        return []
    peak = max(number(row[1]) for row in table)
    labels = {row[4] for row in table}
    return [
        Aim("256 x 256 x 1024, peak, MiB", f"{peak:,.0f}", f"at most {aim[0]}"),
        Aim("its labels by chunks and threads", " and ".join(sorted(labels)), "the same"),
    ]


def silhouettes(lines: list[str]) -> list[Aim]:
    """Return speeds compared with scikit-learn, and the coverage of the estimates."""
    found = []
    fast = captured(lines, r"([\d.]+) times as fast")
    table = [row for row in rows(lines, "") if row[0].startswith("`silhouette_image`")]
    if fast and table:
        value = table[0][1].split()[0]
        peers = f"{fast[0]} times as fast as scikit-learn"
        found.append(Aim("exact silhouettes of 65,536 points, 3 k, s", value, peers=peers))
    for row in rows(lines, "starts"):
        what = f"choice of k of 262,144 points, {row[0]} starts, s"
        peers = f"{row[3]} times as fast as scikit-learn"
        found.append(Aim(what, row[2].split()[0], peers=peers))
    return found


def big(lines: list[str]) -> list[Aim]:
    """Return the time over that of the necessary work, equal labels and the speed of workers."""
    from .big_cubes import AIM

    found = []
    if ratio := captured(lines, r"- ratio ([\d.]+)"):
        what = "512 x 512 x 1024 from file to labels"
        found.append(Aim(what, ratio[0], f"at most {AIM}", "of the necessary work"))
    if table := rows(lines, "method"):
        labels = " and ".join(sorted({row[1] for row in table}))
        found.append(Aim("labels by chunks, threads, readings, workers", labels, "the same"))
    if speed := captured(lines, r"`--scheduler local:2`.*?: ([\d.]+) of the speed"):
        found.append(Aim("two workers", speed[0], peers="of the speed of two plain processes"))
    if differ := captured(lines, r"maxrf: ([\d,]+) labels differ"):
        found.append(Aim("labels that differ in float64", differ[0], "at most 0"))
    return found


def disk(lines: list[str]) -> list[Aim]:
    """Return the times from a file to labels, compared with other packages."""
    table, found = rows(lines, "pixels"), []
    for row in table:
        if row[1] != "spectessera":
            continue
        others = [each for each in table if each[0] == row[0] and each is not row and each[-1]]
        peers = "; ".join(
            f"{number(each[2]) / number(row[2]):.2f} times as fast as {each[1]} (ARI {each[7]})"
            for each in others
        )
        found.append(Aim(f"{row[0]} x 512, s (ARI {row[7]})", row[2], peers=peers))
    return found


def astronomical(lines: list[str]) -> list[Aim]:
    """Return the gain of the network of the paper."""
    aim = captured(lines, r"aim: (\d+), SNN")
    gains = [number(row[3]) for row in rows(lines, "blocks") if row[0] == "snn"]
    if not aim or not gains:
        return []
    return [Aim("gain of the astronomical network", f"{max(gains):.0f}", f"at least {aim[0]}")]


def training(lines: list[str]) -> list[Aim]:
    """Return the speed of the published network, compared with the published log."""
    published = captured(lines, r"published log has ([\d,]+)")
    found = []
    for row in rows(lines, "cluster term"):
        if row[0] == "with gradient" and published:
            peers = (
                f"{number(row[2]) / number(published[0]):.1f} times the published log (Tesla T4)"
            )
            found.append(Aim("training, spectra/s, 2 threads", row[2], peers=peers))
    return found


def generators(lines: list[str]) -> list[Aim]:
    """Return the speed of synthetic spectra, compared with numpy and the published generator."""
    aim = captured(lines, r"aim: ([\d,]+) per second; the published generator: ([\d,]+)")
    rates = {row[0]: row[1] for row in rows(lines, "method")}
    found = []
    if aim and rates:
        ours, numpy = (next(rates[k] for k in rates if word in k) for word in ("ours", "numpy"))
        peers = "; ".join(
            f"{number(ours) / number(other):.1f} times as fast as {name}"
            for name, other in (("numpy's multinomial", numpy), ("the published generator", aim[1]))
        )
        found.append(Aim("synthetic spectra per second", ours, f"at least {aim[0]}", peers))
    if made := captured(lines, r"made in memory in ([\d.]+) s \(aim: (\d+)\)"):
        found.append(Aim("synthetic 512 x 512 x 1,024, s", made[0], f"at most {made[1]}"))
    return found


def resumed(lines: list[str]) -> list[Aim]:
    """Return what differs after trainings were killed and resumed."""
    table = rows(lines, "network")
    differing = " and ".join(sorted({row[-1] for row in table}))
    kills = sum(int(row[1]) for row in table)
    return [Aim(f"what differs after {kills} kills", differing, "none")] if table else []


READERS: dict[str, Callable[[list[str]], list[Aim]]] = {
    "Cold starts of the command line": starts,
    "What a training step costs": steps,
    "What a training step costs the processor": steps_of_one_thread,
    "Reading files": readings,
    "Segmenting a whole cube": whole,
    "Silhouettes and the choice of k": silhouettes,
    "Cubes larger than memory": big,
    "From disk to labels, compared with other packages": disk,
    "The astronomical network of the paper": astronomical,
    "Training the published network": training,
    "Synthetic cubes and spectra": generators,
    "Killed and resumed": resumed,
}


def table(page: dict[str, list[str]]) -> list[str]:
    """Return the lines of the table of all sections of a page (title: lines)."""
    lines = [
        "| what | measured | aim | met | compared with others | when, on which processor |",
        "|---|---|---|---|---|---|",
    ]
    for title, read in READERS.items():
        section = page.get(title, [])
        where = "; ".join(section[2].split("; ")[:2]) if len(section) > 2 else ""
        for aim in read(section):
            cells = (aim.what, aim.value, aim.limit, aim.met, aim.peers, where)
            lines.append("| " + " | ".join(cells) + " |")
    return lines
