"""The tests of tests/platforms."""
