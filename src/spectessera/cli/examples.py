"""Examples at the end of the pages of help; tests/cli/test_helppage.py runs all of them."""

from __future__ import annotations

# Flags of a panel that are on the first page too: without them, a file cannot be read.
FIRST = {
    "info": ("key", "axes", "shape", "energy", "wavelength", "unit"),
    "convert": ("key", "axes", "shape", "energy", "wavelength", "unit"),
    "train": ("epochs", "latent", "seed"),
}
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("spectessera info scan.h5", "what is in the file"),
        ("spectessera segment scan.h5 --out result --report", "cut it into regions"),
        ('spectessera report result --name "1=paper" --overwrite', "name them"),
    ),
    "info": (
        ("spectessera info scan.h5", "what is in the file, and what was assumed"),
        ("spectessera info scan.npy --axes cyx --energy 0,40", "say what it does not say"),
    ),
    "convert": (("spectessera convert scan.h5 scan.zarr", "a store that opens fast"),),
    "train": (
        ("spectessera train scan.h5 --out model.safetensors", "a model of your own"),
        ("spectessera train scan.h5 --start model.safetensors --out more.safetensors", "go on"),
    ),
    "segment": (
        ("spectessera segment scan.h5 --out result --report", "with the model that suits it"),
        ("spectessera segment scan.h5 --fit --out trained", "train on the cube itself"),
        ("spectessera segment scan.h5 --model model.safetensors --out own", "your own model"),
        ("spectessera segment scan.h5 --fit --clusters 2 --out two", "two clusters"),
    ),
    "encode": (
        ("spectessera encode scan.h5 --model model.safetensors --out latent.nc", "compress"),
    ),
    "decode": (
        ("spectessera decode latent.nc --model model.safetensors --out again.nc", "and back"),
    ),
    "maps": (
        ("spectessera maps scan.h5 --result result", "elements of every pixel"),
        ("spectessera maps scan.h5 --out bands --band 1000:1050", "the sum of a band"),
    ),
    "report": (
        ("spectessera report result --out share.html", "one file to share"),
        ('spectessera report result --name "1=paper" --overwrite', "with your name for a cluster"),
    ),
    "edit": (
        ("spectessera edit result --rename 1=robe --recolour 1=#aa3366", "name and colour"),
        ("spectessera edit result --undo", "take the last change back"),
    ),
    "export": (("spectessera export result --to csv --out tables", "tables for R or pandas"),),
    "view": (
        ("spectessera view result", "maps and spectra in a browser"),
        ("spectessera view scan.h5", "a cube that is not segmented yet"),
    ),
    "compare": (("spectessera compare result trained", "two segmentations, or one and the truth"),),
    "rerun": (("spectessera rerun own", "is it the same, bit for bit?"),),
    "check": (("spectessera check result", "are the files as they were written?"),),
    "synth": (
        ("spectessera synth page --out page.png", "a picture"),
        ("spectessera synth cube page.png --out page.h5", "a cube of it, with its truth"),
    ),
    "synth page": (("spectessera synth page --out page.png", "in the colours of a palette"),),
    "synth cube": (("spectessera synth cube page.png --out page.h5", "with its truth"),),
    "synth palettes": (("spectessera synth palettes choirbook", "one palette"),),
    "reproduce": (("spectessera reproduce astro --quick --out astro", "does everything run?"),),
    "search": (("spectessera search scan.h5 --space space.toml --out tried", "every combination"),),
}
