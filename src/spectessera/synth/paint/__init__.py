"""Pigments, palettes and painted images."""
