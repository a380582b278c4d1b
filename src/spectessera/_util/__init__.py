"""Constants, checks and helpers that every room may use."""
