"""Nebular spectra: emissivities, zone models, line diagnostics."""
