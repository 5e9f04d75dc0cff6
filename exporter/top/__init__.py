"""``resolvtrace top``: the daemon's table, live. Rows, how they are arranged and written; then the terminal."""
