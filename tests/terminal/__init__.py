"""``resolvtrace top`` in a real terminal."""
