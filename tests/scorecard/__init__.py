"""The scorecard: every way of querying a nameserver, a row each, on the real kernel. `make scorecard` prints it."""
