# Two commands do everything, set-up included, as root on Debian:
#   make demo    the stale-resolver experiment, live
#   make test    lint, types and every test, on this kernel

PYTHON := .venv/bin/python

.PHONY: help setup setup-test setup-unit setup-supply demo test scorecard zoo forecast soak faults picture completions schema lint unit kernel fuzz campaign bench
.PHONY: lock sbom audit install uninstall deb image dist test-image test-vm test-arm64 platforms platforms-table clean

help:
	@echo "make demo       run the stale-resolver experiment, live, in private namespaces (under 60 s)"
	@echo "make test       lint, type check and every test, with the real kernel (some minutes)"
	@echo "make scorecard  every way of sending a query, tried on this kernel; writes docs/scorecard.md (under 30 s)"
	@echo "make zoo        every resolver through the change, those too that take minutes; and how long each took"
	@echo "make forecast   a forecast for every resolver of the zoo, and what came; writes docs/forecast.md (a quarter of an hour)"
	@echo "make fuzz       made-up input by the hundred thousand, resolv.conf against glibc itself (some minutes)"
	@echo "make campaign   ten thousand random histories of processes beside the contract (CAMPAIGN_HISTORIES=10000)"
	@echo "make soak       everything at once for half an hour, checked as it goes (SOAK_SECONDS=1800)"
	@echo "make faults     the slow tests of faults: 200 kills, 100 loads, storms of a minute (half an hour and more)"
	@echo "make bench      measure what it costs, beside bpftrace and tcpdump; writes docs/performance.md (8 minutes)"
	@echo "make picture    draw docs/top.svg, the picture of resolvtrace top in the README"
	@echo "make completions  write deploy/completions from the commands' own options"
	@echo "make schema     write the JSON schema of check --json, tests/schema/check.schema.json"
	@echo "make unit       what needs neither root, nor BPF, nor packages (under a minute); make lint as well"
	@echo "make setup      leave a working .venv/bin/resolvtrace, and nothing else"
	@echo "make install    put it below PREFIX (/usr/local), and start the service; make uninstall takes it away"
	@echo "make deb        build the Debian package in dist/"
	@echo "make image      build the container image localhost/resolvtrace, on a base made of Debian's packages (minutes)"
	@echo "make test-image  build it, and run it as the DaemonSet of deploy/kubernetes does (minutes)"
	@echo "make test-vm    install it in a Debian of its own, in QEMU, on Debian's 6.1, 6.12, 6.12 PREEMPT_RT and the newest"
	@echo "                of unstable, and try it there; and the DaemonSet in Debian 13's Podman (an hour); KERNELS='6.1 kube' takes some"
	@echo "make test-arm64  the same on Debian 13 for arm64, and rows of the scorecard there (half an hour)"
	@echo "make platforms  make test in bare roots of Debian 12, 13 and testing; writes the table of README.md (an hour and more)"
	@echo "make platforms-table  put what .ci/run and the machines of make test-vm and test-arm64 recorded into that table"
	@echo "make lock       pin every package again, with hashes, in deploy/requirements*.txt"
	@echo "make dist       what a release consists of, in dist/resolvtrace-VERSION (minutes); SNAPSHOT=yes: of any commit"
	@echo "make sbom       write sbom.json (CycloneDX): what is installed beside resolvtrace, and under which licences"
	@echo "make audit      ask the PyPA's advisory database about every pinned package; needs the internet"

setup:
	@deploy/setup run

setup-test:
	@deploy/setup test

# No package and no root: what `make unit` and `make lint` take.
setup-unit:
	@deploy/setup unit

setup-supply:
	@deploy/setup supply

demo: setup
	@.venv/bin/resolvtrace demo

# Tests wait more than they work: two for each processor, but for those that need the machine for themselves.
WORKERS = $(shell echo $$(($$(nproc) * 2)))
TOGETHER := --numprocesses $(WORKERS) --dist loadfile -m 'not alone and not slow and not vm and not image'
ALONE := -m 'alone and not slow and not vm and not image'
# What failed runs once more, one test at a time: what fails there fails for good.
REPEAT = [ $$status = 0 ] || $(PYTHON) -m pytest --last-failed --last-failed-no-failures none $(1)
RUN = status=0; \
	$(PYTHON) -m pytest $(1) $(TOGETHER) || status=$$?; \
	$(PYTHON) -m pytest $(1) $(ALONE) || status=$$?; \
	$(call REPEAT,-m 'not slow and not vm and not image')
test: setup-test lint
	@$(call RUN,)

C_FILES := $(wildcard bpf/*.[ch] tests/programs/*.c benchmarks/programs/*.c)
lint: setup-unit
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	.venv/bin/clang-format --dry-run --Werror $(C_FILES)
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache --no-logo

# What needs no kernel with BPF; and no root, unless root runs it.
unit: setup-unit
	@own="$$([ $$(id -u) = 0 ] || echo 'not root and ') not slow"; status=0; \
	$(PYTHON) -m pytest tests/unit --numprocesses $(WORKERS) --dist loadfile -m "$$own" || status=$$?; \
	$(call REPEAT,-m "$$own")

# What needs the kernel itself.
kernel: setup-test
	@$(call RUN,tests/kernel)

# `make test` runs it too, with less of it and the same examples each time; here hypothesis searches for new ones.
fuzz: setup-test
	@$(PYTHON) -m pytest tests/fuzz --quiet -m '' --hypothesis-profile search --durations 0 --durations-min 1
	@$(PYTHON) -m pytest tests/unit --quiet -m hypothesis --hypothesis-profile search --durations 0 --durations-min 1

# Prints the table and writes the page; a row that fails fails the run.
scorecard: setup-test
	@$(PYTHON) -m pytest tests/scorecard --quiet --scorecard docs/scorecard.md

# `make test` runs it too, without the slow ones.
zoo: setup-test
	@deploy/setup zoo
	@$(PYTHON) -m pytest tests/zoo --quiet -m '' --durations 0 --durations-min 1

# One line for each hundred histories, and the story of what disagrees. CAMPAIGN_SEED=4711 plays one, by its seed.
CAMPAIGN_HISTORIES := 10000
CAMPAIGN_SEED :=
campaign: setup-test
	@$(PYTHON) -m tests.campaign --histories $(CAMPAIGN_HISTORIES) $(addprefix --seed ,$(CAMPAIGN_SEED))

# One line at the end; anything that is not as it should be ends it at once.
SOAK_SECONDS := 1800
soak: setup-test
	@$(PYTHON) -m tests.soak --seconds $(SOAK_SECONDS)

# As `make zoo` does, but each is watched for longer before the change.
forecast: setup-test
	@deploy/setup zoo
	@$(PYTHON) -m pytest tests/zoo/test_resolvers.py --quiet -m '' --forecast docs/forecast.md --durations 0 --durations-min 1

faults: setup-test
	$(PYTHON) -m pytest tests/kernel -m slow

# The program draws it itself, of real processes.
picture: setup-test
	@$(PYTHON) -m tests.picture docs/top.svg

# From the fields of the snapshot; a test sees that it is so.
schema: setup-unit
	@$(PYTHON) -m tests.schema

# From the commands' own parsers; a test sees that they are so.
completions: setup-test
	@$(PYTHON) -m tests.completions bash >deploy/completions/resolvtrace.bash
	@$(PYTHON) -m tests.completions zsh >deploy/completions/_resolvtrace
	@$(PYTHON) -m tests.completions fish >deploy/completions/resolvtrace.fish

# All of it, or PARTS alone: costs throughput processor delays views memory top growth.
PARTS :=
bench: setup-test
	@deploy/setup bench
	@$(PYTHON) -m benchmarks $(PARTS)

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

image:
	@deploy/image

# SNAPSHOT=yes goes without a dated section in CHANGELOG.md.
dist: setup setup-supply
	@deploy/dist $(if $(SNAPSHOT),snapshot)

# The base is made the first time, and once a week.
test-image: setup-test
	@deploy/setup image
	$(PYTHON) -m pytest tests/deploy -m image --durations 0 --durations-min 1

# The first time it makes the disk, which takes minutes too. What passes prints the score of the unit's sandbox.
# KERNELS names some of its machines; the default is all.
KERNELS :=
test-vm: setup-test deb
	@deploy/setup vm
	$(PYTHON) -m pytest tests/vm -m vm -rP --durations 0 --durations-min 1 --kernels "$(KERNELS)"

# Debian 13 for arm64, in software emulation from its first program on: half an hour the first time.
test-arm64: setup-test deb
	@deploy/setup arm64
	$(PYTHON) -m pytest tests/vm -m vm -rP --durations 0 --durations-min 1 --kernels arm64

# As root, on a Debian that knows its mirrors. Bases and downloads are kept in /var/cache/resolvtrace.
platforms:
	@deploy/setup platforms
	@status=0; /usr/bin/python3 -m tests.platforms all || status=$$?; \
		/usr/bin/python3 -m tests.platforms table README.md; exit $$status

# Into the README's table: what .ci/run, make test-vm, make test-arm64 and make platforms recorded in this checkout.
platforms-table:
	@/usr/bin/python3 -m tests.platforms table README.md

clean:
	rm -rf .venv .venv-supply sbom.json dist tests/.build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
