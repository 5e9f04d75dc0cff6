"""What resolvtrace costs, measured on this machine: `make bench` prints it and writes docs/performance.md."""
