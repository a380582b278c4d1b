"""Measured comparisons; `python -m benchmarks` runs them and writes RESULTS.md."""
