"""Lines of the visible range: redshift, fluxes, kind of gas."""
