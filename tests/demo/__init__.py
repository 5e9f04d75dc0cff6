"""``resolvtrace demo``, run."""
