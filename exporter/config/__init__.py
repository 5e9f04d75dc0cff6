"""The daemon's configuration: its keys, its file and its rules."""
