"""Nebular spectra: emissivities, zone models, diagnostic line ratios."""
