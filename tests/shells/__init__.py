"""Completion and manual pages, by the programs that read them."""
