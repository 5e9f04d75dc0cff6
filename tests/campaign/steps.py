"""The steps that a history is made of, and how they read."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["TOGETHER", "Step", "as_scenario"]

Step = tuple[str | int, ...]
"""A word and what belongs to it: ("query", "p1", "A", 2, "sendto")."""

TOGETHER = {
    "settle": "world.settle()",
    "noticed": "# every change is noticed",
    "past_the_grace": "world.past_the_grace()",
    "own_grace": "world.own_grace()",
    "check": "# compared with the contract",
    "restart": "world.restart(signal.{})",
    "stop": "world.stop(signal.{})",
    "start_daemon": "world.start_daemon()",
}
"""Steps that all histories of a batch take together, and how they read."""


def as_scenario(steps: Sequence[Step]) -> str:
    """Give a history as the lines of a scenario."""
    return "\n".join(_line(step) for step in steps)


def _line(step: Step) -> str:
    word, *rest = step
    if word in TOGETHER:
        return TOGETHER[str(word)].format(*rest)
    if word == "listed":
        return f"world.write({_arguments(rest)})"
    if word == "start":
        return f"{rest[0]} = world.start({_arguments(rest)})"
    if word in ("write", "jail"):
        return f"world.{word}({_arguments(rest)})"
    who, *arguments = rest
    made = f"{arguments[0]} = " if word in ("fork", "fork_twice", "spawn") else ""
    return f"{made}{who}.{word}({arguments[0] if word == 'enter' else _arguments(arguments)})"


def _arguments(arguments: Sequence[str | int]) -> str:
    return ", ".join(repr(argument) for argument in arguments)
