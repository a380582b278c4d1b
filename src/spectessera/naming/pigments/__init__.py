"""Pigments, identified by templates and elements."""
