"""Writes the completion of a shell, by shtab, from the commands' own parsers: ``python -m tests.completions bash``."""

from __future__ import annotations

import sys

import shtab

from exporter.cli import COMMANDS, build_parser

__all__ = ["FILES", "completion"]

FILES = {
    "bash": "deploy/completions/resolvtrace.bash",
    "zsh": "deploy/completions/_resolvtrace",
    "fish": "deploy/completions/resolvtrace.fish",
}
"""The file for each shell; ``make completions`` writes them."""
_KINDS = {"PATH": shtab.FILE, "FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
"""What completes a value, by its name in the help."""


def completion(shell: str) -> str:
    """Return the completion file of a shell."""
    parser, commands = build_parser([name for name, _ in COMMANDS])
    for command in commands.values():
        for action in command._actions:  # argparse has no other list of them
            if action.metavar in _KINDS:
                action.complete = _KINDS[action.metavar]  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)


if __name__ == "__main__":
    sys.stdout.write(completion(sys.argv[1]))
