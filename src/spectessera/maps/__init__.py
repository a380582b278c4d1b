"""Maps of what single pixels contain, fitted with what the mean spectra of clusters show."""
