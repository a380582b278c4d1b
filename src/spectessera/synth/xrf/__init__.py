"""The physics of an X-ray fluorescence spectrum: tube, sample, detector."""
