"""Pigments and the images that are painted with them."""
