"""Command lines are read once, when they are first needed, and not by the daemon itself."""

from __future__ import annotations

from typing import Any

from tests.support.world import World
from tracer.ledger.process import Process
from tracer.report.commands import Commands


class RootReader:
    """Reads what a test says, and notes what was requested."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.answers = True

    def __call__(self, kind: str, proc: str, pid: int, *arguments: Any) -> Any:
        """Answer, or not."""
        assert (kind, proc, pid) == ("commands", "/proc", 0)
        self.asked.append(arguments)
        if not self.answers:
            raise TimeoutError("no answer")
        return [[f"program-{number}"] for number in arguments]


def _processes(*pids: int) -> list[Process]:
    world = World()
    for pid in pids:
        world.start(pid)
        world.query(pid)
    world.tick()
    return [world.process(pid) for pid in pids]


def test_each_is_read_once() -> None:
    """Only new ones are requested, many at a time."""
    root_reader = RootReader()
    commands = Commands(root_reader, "/proc", lambda _: True)
    one, two, three = _processes(1, 2, 3)
    assert commands.read([one, two]) == [one, two]
    assert commands.read([one, two, three]) == [three]
    assert root_reader.asked == [(1, 2), (3,)]
    assert (commands.of(one), commands.of(three)) == (("program-1",), ("program-3",))


def test_what_gets_no_answer_is_tried_again() -> None:
    """It stays unknown until then."""
    root_reader = RootReader()
    root_reader.answers = False
    commands = Commands(root_reader, "/proc", lambda _: True)
    (one,) = _processes(1)
    assert commands.read([one]) == []
    assert commands.of(one) is None
    root_reader.answers = True
    assert commands.read([one]) == [one]


def test_what_is_another_process_by_now_has_none() -> None:
    """Its pid was reused, or it has called exec."""
    commands = Commands(RootReader(), "/proc", lambda _: False)
    (one,) = _processes(1)
    commands.read([one])
    assert commands.of(one) is None


def test_what_is_tracked_no_more_is_forgotten() -> None:
    """A daemon of a year keeps no million of them."""
    root_reader = RootReader()
    commands = Commands(root_reader, "/proc", lambda _: True)
    one, two = _processes(1, 2)
    commands.read([one, two])
    commands.keep([two])
    commands.read([one, two])
    assert root_reader.asked == [(1, 2), (1,)]
