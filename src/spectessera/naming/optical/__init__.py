"""Names of optical emission lines: fluxes, class of the gas."""
