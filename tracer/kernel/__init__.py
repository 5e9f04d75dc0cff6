"""The kernel side seen from Python: loading the programs of bpf/, their maps and their ring buffer."""
