"""Images of maps say what they show."""

import numpy as np
import xarray as xr
from PIL import Image

from spectessera.resultfolder._images import save_image


def test_an_image_has_its_name_unit_and_resolution(tmp_path):
    maps = xr.Dataset(
        {"net_counts": (("y", "x"), np.arange(6.0).reshape(2, 3), {"units": "counts"})},
        coords={
            "y": ("y", [0.0, 0.5], {"units": "mm"}),
            "x": ("x", [0.0, 0.25, 0.5], {"units": "mm"}),
        },
    )
    save_image(maps["net_counts"], maps, "Cu K", tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), np.arange(6.0).reshape(2, 3))
        assert image.tag_v2[270] == "Cu K; net_counts; unit: counts"
        assert (image.tag_v2[282], image.tag_v2[283], image.tag_v2[296]) == (40, 20, 3)
