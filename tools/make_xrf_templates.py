"""Compute src/spectessera/data/xrf_templates.npz: the spectra of all built-in pigments.

    python tools/make_xrf_templates.py

Needs xraylib (the extra "synth"). The same version of xraylib gives the same numbers, and with the
same zlib the same file. Run it again after a change of a pigment or of the physics; a test compares
the file with spectra computed anew.
"""

import json
from dataclasses import asdict

import numpy as np

from spectessera._util.files import atomic, package_data
from spectessera.synth.paint.pigments import FACTORS, PIGMENTS, compute
from spectessera.synth.xrf.detector import Detector
from spectessera.synth.xrf.fluorescence import EXPOSURE
from spectessera.synth.xrf.templates import TEMPLATES
from spectessera.synth.xrf.tube import Tube
from spectessera.synth.xrf.xraydata import xraylib


def main() -> None:
    """Compute and write all spectra."""
    tube, detector = Tube(), Detector()
    spectra = []
    for pigment in PIGMENTS.values():
        spectra.append(compute(pigment, tube, detector))
        counts = spectra[-1][FACTORS.index(1.0)].sum()
        print(f"{pigment.name:16s} {counts:9.1f} counts per unit of exposure")
    settings = {
        "tube": asdict(tube),
        "detector": asdict(detector),
        "exposure (mA s sr2)": EXPOSURE,
        "xraylib": xraylib().__version__,
    }
    target = package_data(TEMPLATES)
    with atomic(target) as temporary:
        np.savez_compressed(
            temporary,
            pigments=np.array(list(PIGMENTS)),
            factors=np.array(FACTORS),
            energy=detector.axis.values,
            spectra=np.array(spectra, dtype=np.float32),
            settings=np.array(json.dumps(settings, sort_keys=True)),
        )
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
