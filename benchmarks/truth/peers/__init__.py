"""Other finders as installed packages with their own defaults: a file each, with `find(pieces)`."""
