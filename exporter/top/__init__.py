"""``resolvtrace top``: the daemon's table, live."""
