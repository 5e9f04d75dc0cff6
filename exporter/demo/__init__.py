"""``resolvtrace demo``: the stale-resolver experiment, live."""
