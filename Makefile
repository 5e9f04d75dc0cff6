# Two commands do everything, set-up included, as root on Debian 12:
#   make demo    the stale-resolver experiment, live
#   make test    lint, types and every test, on this kernel

PYTHON := .venv/bin/python

.PHONY: help setup setup-test setup-supply demo test scorecard zoo soak faults picture completions lint unit fuzz bench lock sbom audit
.PHONY: install uninstall deb test-vm clean

help:
	@echo "make demo       run the stale-resolver experiment, live, in private namespaces (under 60 s)"
	@echo "make test       lint, type check and every test, with the real kernel (some minutes)"
	@echo "make scorecard  every way of asking, tried on this kernel; writes docs/scorecard.md (under 30 s)"
	@echo "make zoo        every resolver through the change, those too that take minutes; and how long each took"
	@echo "make fuzz       made-up input by the hundred thousand, resolv.conf against glibc itself (some minutes)"
	@echo "make soak       everything at once for half an hour, checked as it goes (SOAK_SECONDS=1800)"
	@echo "make faults     the slow tests of faults: 200 kills, 100 loads, storms of a minute (half an hour and more)"
	@echo "make bench      measure what it costs, beside bpftrace and tcpdump; writes docs/performance.md (8 minutes)"
	@echo "make picture    draw docs/top.svg, the picture of resolvtrace top in the README"
	@echo "make completions  write deploy/completions from the commands' own options"
	@echo "make setup      leave a working .venv/bin/resolvtrace, and nothing else"
	@echo "make install    put it below PREFIX (/usr/local), and start the service; make uninstall takes it away"
	@echo "make deb        build the Debian package in dist/"
	@echo "make test-vm    install it in a Debian of its own, in QEMU, on Debian's 6.1 and 6.12, and try it there (minutes)"
	@echo "make lock       pin every package anew, with hashes, in deploy/requirements*.txt"
	@echo "make sbom       write sbom.json (CycloneDX): what is installed beside resolvtrace, and under which licences"
	@echo "make audit      ask the PyPA's advisory database about every pinned package; needs the internet"

setup:
	@deploy/setup run

setup-test:
	@deploy/setup test

setup-supply:
	@deploy/setup supply

demo: setup
	@.venv/bin/resolvtrace demo

# Tests wait more than they work: two for each processor, but for those that need the machine for themselves.
WORKERS = $(shell echo $$(($$(nproc) * 2)))
test: lint
	$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist loadfile -m 'not alone and not slow and not vm'
	$(PYTHON) -m pytest -m 'alone and not slow and not vm'

lint: setup-test
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

# What needs neither root nor a kernel with BPF.
unit: setup-test
	$(PYTHON) -m pytest tests/unit

# `make test` runs it too, with less of it and the same each time.
fuzz: setup-test
	@$(PYTHON) -m pytest tests/fuzz --quiet -m '' --durations 0 --durations-min 1

# Prints the table and writes the page; a row that fails fails the run.
scorecard: setup-test
	@$(PYTHON) -m pytest tests/scorecard --quiet --scorecard docs/scorecard.md

# `make test` runs it too, without the slow ones.
zoo: setup-test
	@$(PYTHON) -m pytest tests/zoo --quiet -m '' --durations 0 --durations-min 1

# One line at the end; anything that is not as it should be ends it at once.
SOAK_SECONDS := 1800
soak: setup-test
	@PYTHONPATH=tests $(PYTHON) -m soak --seconds $(SOAK_SECONDS)

faults: setup-test
	$(PYTHON) -m pytest tests/kernel -m slow

# The program draws it itself, of real processes.
picture: setup-test
	@$(PYTHON) tests/picture.py docs/top.svg

# From the commands' own parsers; a test sees that they are so.
completions: setup-test
	@$(PYTHON) -m exporter.completions bash >deploy/completions/resolvtrace.bash
	@$(PYTHON) -m exporter.completions zsh >deploy/completions/_resolvtrace
	@$(PYTHON) -m exporter.completions fish >deploy/completions/resolvtrace.fish

# All of it, or PARTS alone: costs throughput processor delays memory top growth.
PARTS :=
bench: setup-test
	@deploy/setup bench
	@PYTHONPATH=tests:tests/terminal:tests/unit/exporter $(PYTHON) -m benchmarks $(PARTS)

lock: setup-supply
	@deploy/lock

sbom: setup-supply
	@deploy/sbom sbom.json

audit: setup-supply
	.venv-supply/bin/pip-audit --strict --require-hashes --disable-pip --requirement deploy/requirements.txt

# A tree of its own below PREFIX (/usr/local), in DESTDIR where that is given; with neither, the service too.
install:
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" deploy/install install

uninstall:
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" deploy/install uninstall

deb:
	@deploy/deb

# The first time it makes the disk, which takes minutes too. What passes prints the score of the unit's sandbox.
test-vm: setup-test deb
	@deploy/setup vm
	$(PYTHON) -m pytest tests/vm -m vm -rP --durations 0 --durations-min 1

clean:
	rm -rf .venv .venv-supply sbom.json dist tests/.build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
