"""Pigments from elements and templates."""
