"""The tests, as one package: each imports what it needs by its full name."""
