"""Without root, without BPF: the packages of tracer and exporter, each test beside its module's name."""
