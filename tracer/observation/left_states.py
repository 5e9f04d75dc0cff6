"""The resolver states that processes left, by an exit, an exec or a read, and who goes on with them."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.kernel.records import ProcessFlag
from tracer.observation.lineage import Lineage
from tracer.observation.newcomers import Newcomers, subject_of
from tracer.observation.values import FileRead, Observation, ProcessLeft, ReadUndone, Relative, key_of

_MOST_RELATIVES = 4096


class LeftStates:
    """Those that somebody left who had forked: others may have them."""

    def __init__(self, lineage: Lineage, newcomers: Newcomers) -> None:
        self._lineage = lineage
        self._newcomers = newcomers
        self._shared: set[tuple[int, int, int]] = set()
        """Pid, birth and that state of who left it."""

    def note_left(self, left: ProcessLeft) -> None:
        """Note an exit or an exec."""
        if left.subject.flags & ProcessFlag.FORKED:
            self._shared.add(_left_by(left))

    def note_read(self, read: FileRead) -> None:
        """Note a read of a process whose children may have the state that it had until then."""
        self._shared.add(_left_by(read))

    def relatives(self, taken: Iterable[Observation], later: Iterable[Observation]) -> list[Relative]:
        """Find who goes on with the states that were left by what is ``taken`` now, if the ledger keeps who left."""
        left = [
            state
            for one in taken
            if isinstance(one, FileRead | ProcessLeft)
            and (state := _left_by(one)) in self._shared
            and self._newcomers.is_known(key_of(one.subject))
        ]
        self._shared &= {_left_by(one) for one in later if isinstance(one, FileRead | ProcessLeft)}
        found = []
        for pid, entry in self._lineage.relatives_of(left)[:_MOST_RELATIVES] if left else ():
            subject = subject_of(pid, entry)
            self._newcomers.meet(subject)
            found.append(Relative(key_of(subject), entry.res_state_id, entry.line))
        # Those that have read since, within the tick, have another state by now.
        readers = [one for one in taken if isinstance(one, FileRead | ReadUndone) and one.line] if left else []
        found += [Relative(key_of(one.subject), one.res_state_id_before, one.line) for one in readers]
        return sorted(found, key=lambda one: len(one.line))


def _left_by(one: FileRead | ProcessLeft) -> tuple[int, int, int]:
    state = one.res_state_id_before if isinstance(one, FileRead) else one.subject.res_state_id
    return one.subject.tgid, one.subject.birth, state
