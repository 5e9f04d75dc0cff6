"""Whole Debian machines in QEMU, with systemd as PID 1: the service as an administrator has it."""
