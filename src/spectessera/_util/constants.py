"""Constants of physics and statistics that more than one room needs."""

import math

SPEED_OF_LIGHT = 299_792.458  # km/s, exact by definition of the metre
FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
MAD_TO_SIGMA = 1.4826  # from the median absolute deviation of Gaussian noise to its sigma
ELECTRON = 510.999  # keV, rest energy of the electron
PAIR = 3.65e-3  # keV for one electron-hole pair in silicon
SILICON_KALPHA = 1.74  # keV, the energy that an escape peak lacks
