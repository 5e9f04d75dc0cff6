"""The scorecard: every way of asking a nameserver, a row each, tried on the real kernel. `make scorecard` prints it."""
