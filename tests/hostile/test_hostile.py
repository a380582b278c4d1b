"""A small part of ``python -m tools.hostile``, and every input that ever failed."""

import importlib
import json
import re
import tempfile
from pathlib import Path

import pytest

from hostile import processes, seeds
from hostile.fuzz import try_one
from hostile.mutate import mutant
from hostile.seeds import Seed, picked_up

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = json.loads((CORPUS / "expected.json").read_text())
# The others need a training, which the corpus does not.
QUICK = ("FITS", "compressed FITS", "HDF5", "NPY, NPZ", "Zarr", "ENVI", "MATLAB", "EDF", "ripple",
         "text")  # fmt: skip

# Imported once, before the processes are forked.
for name in ("torch._dynamo", "astropy.wcs", "astropy.io.fits", "dask.array", "h5netcdf", "zarr",
             "scipy.io", "spectessera.segmenter", "spectessera.inference",
             "spectessera.io.isolated"):  # fmt: skip
    importlib.import_module(name)


def outcome(format_name, seed, number=1, isolate=False):
    """Open a file in a process of its own; returns what happened."""

    def work():
        from spectessera.io import _isolation

        _isolation.PATIENCE = 2.0
        with tempfile.TemporaryDirectory() as folder:
            found = try_one(format_name, seed, Path(folder), number, isolate)
            print("\nfound", json.dumps(found))  # noqa: T201 (the parent reads it)

    return tuple(json.loads(processes.must(work).rpartition("\nfound")[2]))


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: case["file"])
def test_what_once_failed_is_read_or_refused_in_words(case):
    seed = Seed(case["file"], case["name"], {case["name"]: (CORPUS / case["file"]).read_bytes()})
    number, isolate = case.get("number", 1), case.get("isolate", False)
    what, where, said = outcome(case["format"], seed, number, isolate)
    assert what == ("refused" if case["words"] else what), (where, said)
    assert what in ("read", "refused"), (where, said)
    assert re.search(case["words"], said)


@pytest.mark.parametrize("name", QUICK)
def test_damaged_files_are_read_or_refused_with_their_name(name, tmp_path):
    honest = []
    for number, recipe in enumerate(seeds.RECIPES[name]):
        place = tmp_path / f"{number}"
        place.mkdir()
        honest.append(picked_up(f"{name} {number}", place, recipe(place)))

    def work():
        for number in range(15):
            with tempfile.TemporaryDirectory() as folder:
                seed = mutant(honest, number)
                found = try_one(name, seed, Path(folder), number, False)
                if found[0] not in ("read", "refused"):
                    raise AssertionError(f"{number}: {seed.damage}: {found}")

    processes.must(work)


def test_a_process_that_ends_in_any_way_is_seen():
    import os
    import signal

    assert processes.start(lambda: 3).end() == 3
    assert processes.start(lambda: os.kill(os.getpid(), signal.SIGSEGV)).end() == -signal.SIGSEGV
    process = processes.start(lambda: 1 / 0)
    assert process.end() == processes.TRACEBACK
    assert "ZeroDivisionError" in process.said
    with pytest.raises(RuntimeError, match="status 5"):
        processes.must(lambda: 5)
