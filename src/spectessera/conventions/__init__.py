"""What names, units and positions of axes mean, in files and in objects of other packages."""
