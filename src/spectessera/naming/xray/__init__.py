"""X-ray lines: elements from the peaks of a spectrum."""
