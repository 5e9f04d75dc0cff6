"""The columns of ``top``: content, order, and which ones fit the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from exporter.escape import printable
from exporter.text.durations import short
from exporter.top.rows import RANKS, WORST_FIRST, Row

__all__ = ["COLUMNS", "GAP", "Column", "Placed", "fit"]

GAP = 1
_SECOND = 1_000_000_000
_FAST = 10
_WIDEST_COMMAND = 256


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``least`` and ``most``: its widths; ``priority``: when it is dropped (1: never, 5: first).

    ``text`` takes the row and the sample's time. ``key``: the sort key, None for "unknown", which comes last;
    ``descending``: whether the greatest comes first.
    """

    title: str
    help: str
    least: int
    most: int
    priority: int
    text: Callable[[Row, int], str]
    key: Callable[[Row], Any]
    right: bool = False
    descending: bool = False


def _ago(time: int | None, now: int) -> str:
    return "-" if time is None else short((now - time) / _SECOND)


def _pid(row: Row) -> str:
    return str(row.pid) if row.pid is not None else f"x{row.members}"


def _rate(row: Row) -> str:
    if row.rate is None:
        return "-"
    return f"{row.rate:.1f}" if 0 < row.rate < _FAST else f"{row.rate:.0f}"


def _unit(row: Row) -> str:
    return printable(row.unit.removesuffix(".service")) or "-"


COLUMNS = (
    Column(
        "STATE",
        "stale: queries a nameserver that its resolv.conf no longer lists",
        8,
        8,
        1,
        lambda row, _: row.state,
        lambda row: (RANKS[row.state], row.stale_since or 0),
    ),
    Column(
        "PID",
        "process ID, or the number of processes in a group",
        7,
        7,
        1,
        lambda row, _: _pid(row),
        lambda row: row.pid,
        right=True,
    ),
    Column("COMM", "name of the process", 6, 15, 1, lambda row, _: printable(row.comm), lambda row: row.comm.lower()),
    Column(
        "UNIT", "systemd unit, pod or container", 10, 32, 2, lambda row, _: _unit(row), lambda row: row.unit or None
    ),
    Column(
        "PATH", "how it looks up names: nscd, nss, direct, ...", 8, 8, 4, lambda row, _: row.path, lambda row: row.path
    ),
    Column(
        "NAMESERVER",
        "the nameserver it queries",
        15,
        39,
        1,
        lambda row, _: printable(row.nameserver or "-"),
        lambda row: row.nameserver,
    ),
    Column("Q/S", "queries per second", 5, 6, 2, lambda row, _: _rate(row), lambda row: row.rate, True, True),
    Column(
        "AFTER",
        "queries since the nameserver was removed",
        5,
        7,
        3,
        lambda row, _: str(row.since_removed) if row.since_removed else "-",
        lambda row: row.since_removed,
        True,
        True,
    ),
    Column(
        "LAST",
        "time since its last query",
        4,
        5,
        4,
        lambda row, now: _ago(row.last_query, now),
        lambda row: row.last_query,
        True,
        True,
    ),
    Column(
        "FOR",
        "time since it was flagged",
        4,
        5,
        3,
        lambda row, now: _ago(row.stale_since, now),
        lambda row: row.stale_since,
        True,
    ),
    Column(
        "FOLLOWS",
        "whether it would follow a change of resolv.conf: yes, no, or not known",
        7,
        7,
        5,
        lambda row, _: row.follows,
        lambda row: WORST_FIRST.index(row.follows),
    ),
    Column(
        "ANS",
        "whether the nameserver answers: yes, no, or - if it is not known",
        3,
        3,
        5,
        lambda row, _: "-" if row.answers == "unknown" else row.answers,
        lambda row: WORST_FIRST.index(row.answers),
    ),
)


_COMMANDS = tuple(
    replace(column, most=_WIDEST_COMMAND, text=lambda row, _: printable(row.command or row.comm))
    if column.title == "COMM"
    else column
    for column in COLUMNS
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A column on the screen, with its position and width."""

    column: Column
    start: int
    width: int


def fit(width: int, *, commands: bool = False) -> list[Placed]:
    """Choose the columns that fit ``width``, and widen those that can grow. ``commands``: COMM has command lines."""
    shown = list(_COMMANDS if commands else COLUMNS)
    for priority in (5, 4, 3, 2):
        if _taken(shown) <= width:
            break
        shown = [column for column in shown if column.priority < priority]
    widths = [column.least for column in shown]
    spare = width - _taken(shown)
    for index, column in enumerate(shown):  # from left to right: the process comes before a long address
        given = min(max(spare, 0), column.most - column.least)
        widths[index] += given
        spare -= given
    placed, start = [], 0
    for column, own in zip(shown, widths, strict=True):
        placed.append(Placed(column, start, own))
        start += own + GAP
    return placed


def _taken(columns: list[Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)
