"""Pairs of which more queries change nothing: the programs count them on their own (bpf/steady.h), until a snapshot.

What is put here is not yet seen by the programs: only once each of them has ended that may have seen it half written,
and a place is only used again once each has ended that may still count in it.
"""

from __future__ import annotations

from tracer.kernel import libbpf, records

__all__ = ["SteadyPairs", "first_place"]

WAYS = 4
_MASK = (1 << 64) - 1
_MULTIPLIERS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F


def first_place(key: bytes, bits: int) -> int:
    """Give the first of the places that a key may have: first_steady() of bpf/steady.h."""
    words = [int.from_bytes(key[at : at + 8], "little") for at in range(0, len(key), 8)]
    mixed = (words[2] ^ words[1] ^ words[0]) * _MULTIPLIERS[0] & _MASK
    mixed = (mixed ^ words[3] ^ words[4]) * _MULTIPLIERS[1] & _MASK
    return mixed >> (64 - bits) & ~(WAYS - 1)


class SteadyPairs:
    """The places, each of one pair."""

    def __init__(self, layout: libbpf.Map) -> None:
        """Map them. Raises OSError."""
        self._array = libbpf.Array(layout)
        self._bits = layout.capacity.bit_length() - 1
        self._used: set[int] = set()
        self._written: list[int] = []
        self._retired: list[int] = []
        self._awaiting: tuple[list[int], list[int]] = [], []

    def add(self, key: records.QueryKey, queries: records.Queries) -> int | None:
        """Put a pair in a place, which counts from 0; None if all of its places are taken.

        It is as ``queries`` tells, until the programs see that something of it has changed.
        """
        value = records.pack_claimed_slot(key, queries.begin())
        first = first_place(records.pack_query_key(key), self._bits)
        for place in range(first, first + WAYS):
            if place not in self._used:
                self._used.add(place)
                self._array.put_begin(place, value)
                self._written.append(place)
                return place
        return None

    def counts(self, place: int) -> records.Counts:
        """Give what was counted in a place so far; times are those of CLOCK_MONOTONIC."""
        return records.parse_counts(self._array.get(place))

    def retire(self, place: int) -> None:
        """Let the programs count there no more: those that are at it already may still do."""
        self._array.put_begin(place, records.CLAIMED_SLOT)
        self._retired.append(place)

    def before_grace_period(self) -> None:
        """Note what is done when those programs have ended that run now."""
        self._awaiting = self._written, self._retired
        self._written, self._retired = [], []

    def after_grace_period(self) -> list[int]:
        """Let the programs count in what was put here before the wait for them.

        Gives the places that were retired before it, in which nobody counts any more: take the counts, then
        :meth:`free` them.
        """
        written, retired = self._awaiting
        self._awaiting = [], []
        for place in set(written).difference(retired, self._retired):
            self._array.put_begin(place, records.READY_SLOT)
        return retired

    @property
    def used(self) -> int:
        """How many places are in use."""
        return len(self._used)

    @property
    def waits(self) -> bool:
        """Whether anything was put here or retired since the last wait for the programs."""
        return bool(self._written or self._retired)

    def free(self, place: int) -> None:
        """Let a place be used again."""
        self._array.put_begin(place, records.FREE_SLOT)
        self._used.discard(place)

    def close(self) -> None:
        """Unmap them."""
        self._array.close()
