"""Real resolvers, each driven through a change of resolv.conf, with what resolvtrace must say of it."""
