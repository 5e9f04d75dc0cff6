"""Who is stale, and what the administrator's rules say of it: pure, from values alone."""
