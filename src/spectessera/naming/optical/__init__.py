"""Optical emission lines: redshift, fluxes, class of the gas."""
