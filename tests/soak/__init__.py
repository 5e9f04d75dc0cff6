"""Everything at once for a long time: `make soak`."""
