"""A real worker on a real broker while everything around it fails, and what its readers see of it: `make chaos`."""
