"""The snapshot as metrics."""
