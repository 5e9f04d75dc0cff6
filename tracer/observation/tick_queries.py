"""The queries that the kernel side counted within a tick, each as an observation of who sent what to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tracer.kernel.losses import Lost
from tracer.kernel.records import Queries, QueryKey, Subject
from tracer.lookups import Transport
from tracer.observation.machine import Machine
from tracer.observation.newcomers import Newcomers
from tracer.observation.values import Observation, ProcessKey, ProcessLeft, QueriesSent, key_of
from tracer.resolvconf.addresses import canonical
from tracer.verdict import verdict
from tracer.verdict.answers import AnswersSeen

_TRANSPORTS = {1: Transport.UDP, 2: Transport.TCP, 3: Transport.TLS}


class TickQueries:
    """Reads the counts of one tick after the other."""

    def __init__(self, machine: Machine, newcomers: Newcomers, lost: Counter[str]) -> None:
        self._machine = machine
        self._newcomers = newcomers
        self._lost = lost
        self._owed: dict[QueryKey, int] = {}
        self._datagrams: list[tuple[QueryKey, Queries, QueriesSent]] = []

    def read(self, counted: Iterable[tuple[QueryKey, Queries]], observed: Iterable[Observation]) -> list[QueriesSent]:
        """Give what was counted; ``observed`` is what else happened in the tick."""
        sent = []
        left: dict[ProcessKey, Subject] = {}
        for event in observed:
            if isinstance(event, ProcessLeft):
                left.setdefault(key_of(event.subject), event.subject)
        owed, self._owed = self._owed, {}
        for key, value in counted:
            if key.tgid == 0 or key.transport not in _TRANSPORTS:
                self._lost[Lost.UNATTRIBUTED] += value.number
                continue
            number = value.number + owed.pop(key, 0)
            if number < 0 or not (number or value.answered):
                # The datagram that this makes up for was counted after the turn (bpf/counting.h, uncount_query).
                self._owed[key] = number
                continue
            subject = self._newcomers.identified(value.subject)
            self._newcomers.meet(subject)
            self._newcomers.meet_owner(subject, left)
            # The coarse clock may say less than the exact one.
            last = max(value.first, value.last)
            queries = verdict.Queries(number, value.first, last, value.previous, value.handshakes, value.strays)
            address = canonical(key.address, self._machine.interface(key.tgid, key.scope) if key.scope else None)
            transport = _TRANSPORTS[key.transport]
            answers = AnswersSeen(value.answered, value.unanswered, value.unanswered_since)
            one = QueriesSent(
                value.first, subject, address, key.netns, key.port, transport, queries, value.lookup, answers
            )
            sent.append(one)
            if number and transport is Transport.UDP and not key.scope and not key.tick_part:
                self._datagrams.append((key, value, one))
        return sent

    def take_datagrams(self) -> list[tuple[QueryKey, Queries, QueriesSent]]:
        """Give those since the last call that the kernel side could count on its own."""
        taken, self._datagrams = self._datagrams, []
        return taken
