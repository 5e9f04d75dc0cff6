"""Who uses a nameserver: the answer to "may I switch it off?", from the check form alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from exporter.wire import Check, Generation, Nameserver, Past, Process
from tracer.snapshot import State

__all__ = ["Answer", "Usage", "usage_of"]


class Answer(Enum):
    """Whether somebody uses it. ``TOO_EARLY``: nobody seen, and not watched for long enough to say so."""

    YES = "yes"
    NO = "no"
    TOO_EARLY = "too early"


@dataclass(frozen=True, slots=True)
class Usage:
    """What is known of one nameserver's use.

    ``listed`` are the files that list it now: whoever looks a name up by them will ask it. ``users`` ask it, ``former``
    have done so and keep to others since. ``past`` is of processes that are gone and may come again (a cron job):
    who asked within the window, and after the file had ceased to list it. ``quiet_since``: since when nobody else may
    have asked it unseen, which is the later of the watch's begin and the removal.
    """

    address: str
    answer: Answer
    listed: list[str]
    users: list[tuple[Process, Nameserver]]
    former: list[tuple[Process, Nameserver]]
    past: list[Past]
    quiet_since: str


def usage_of(check: Check, address: str, window: float) -> Usage:
    """Return who uses a nameserver, with an answer that goes back ``window`` seconds."""
    now = datetime.fromisoformat(check["time"])
    asked = [
        (process, use) for process in check["processes"] for use in process["nameservers"] if use["address"] == address
    ]
    users = [(process, use) for process, use in asked if use["state"] != State.RETIRED]
    former = [(process, use) for process, use in asked if use["state"] == State.RETIRED]
    removed = {view["id"]: until for view in check["views"] if (until := _removed(view["history"], address))}
    begin = (now - timedelta(seconds=window)).isoformat()
    past = [
        use
        for use in check["past_uses"]
        if use["address"] == address
        and _is_later(use["last_query"], removed.get(use["view"] or ""))
        and _is_later(use["last_query"], begin)
    ]
    listed = [view["path"] for view in check["views"] if address in (*view["nameservers"], *view["also_listed"])]
    quiet_since = max([check["watching_since"], *removed.values()], key=datetime.fromisoformat)
    if listed or users or past:
        answer = Answer.YES
    elif _is_later(quiet_since, begin):
        answer = Answer.TOO_EARLY
    else:
        answer = Answer.NO
    return Usage(address, answer, listed, users, former, past, quiet_since)


def _removed(history: list[Generation], address: str) -> str | None:
    """Return when the last generation that listed it ended; None where none did, or where it is listed still."""
    ends = [generation["until"] for generation in history if address in generation["nameservers"]]
    return ends[-1] if ends else None


def _is_later(time: str, other: str | None) -> bool:
    return other is None or datetime.fromisoformat(time) > datetime.fromisoformat(other)
