"""A resolv.conf: what resolvers make of it, what it listed when, and who sees which."""
