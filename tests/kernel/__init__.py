"""The daemon on this kernel."""
