"""Look at a cube and its result in a browser, point at pixels and correct the map."""
