"""Optical emission lines: their table, fits of them to spectra, and the redshift.

Below the rooms that make network inputs and those that name clusters, which both need a redshift.
"""
