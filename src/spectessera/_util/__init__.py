"""Shared words and checks that every room may use."""
