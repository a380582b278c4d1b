"""Which maps suit the axis of a cube, and what is said where none do."""

import numpy as np
import pytest

import spectessera as spt


def test_only_a_cube_without_an_axis_is_asked_for_one():
    """Raman shifts cannot become energies, so a flag for energies is no help."""
    raman = spt.make_cube(np.ones((2, 3, 40)), axis=np.linspace(100, 1500, 40), unit="cm-1")
    with pytest.raises(ValueError, match=r"the axis of this cube is wavenumber \(cm-1\)$"):
        spt.maps.check_suitable(raman)
    with pytest.raises(ValueError, match="if it is one of these, give energy="):
        spt.maps.check_suitable(spt.make_cube(np.ones((2, 3, 40))))
