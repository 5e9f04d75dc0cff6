"""What is run in which root, stage by stage."""

from __future__ import annotations

Stage = dict[str, tuple[str, ...]]
"""Commands by suite. Suites run side by side, a suite's commands one after the other; the next stage waits for all."""

PACKAGE = """\
# make deb, apt install, resolvtrace doctor
nice make deb && apt-get install -qq -y ./dist/resolvtrace_*.deb >/dev/null || exit 3
cd / && resolvtrace doctor || [ $? = 1 ]"""
"""Doctor warns of what is not there in such a root, like a daemon that runs: status 1."""
PIPX = "tests/deploy/pipx"
SET_UP = "make setup-test"
_BEGIN = ("make demo", SET_UP)

# What traces sees the whole machine, and some tests need it for themselves: one root at a time runs such tests, beside
# others that only compute.
CI: tuple[Stage, ...] = (
    {"bookworm": _BEGIN, "trixie": ("make demo", PIPX, SET_UP), "testing": ("make demo", "make scorecard")},
    {"bookworm": ("make test",), "trixie": ("nice make lint unit", PACKAGE)},
    {"trixie": ("make kernel",)},
)
PLATFORMS: tuple[Stage, ...] = (
    {"bookworm": _BEGIN, "trixie": _BEGIN, "testing": _BEGIN},
    {"bookworm": ("make test",)},
    {"trixie": ("make test",)},
    {"testing": ("make test",)},
)


def title(command: str) -> str:
    """Name a command in a line: its comment if it begins with one."""
    return command.splitlines()[0].removeprefix("# ").removeprefix("nice ")
