"""When nameservers last answered anybody, as far as that was seen: whether one that is silent to a process is alive."""

from __future__ import annotations

from tracer.ledger.pair import PairKey

__all__ = ["LastAnswers"]

_MOST = 4096


class LastAnswers:
    """Times by nameserver and network namespace; a full resolver queries half the world, so only the latest."""

    def __init__(self) -> None:
        self._last: dict[PairKey, int] = {}

    def note(self, key: PairKey, at: int) -> None:
        """Note an answer; 0: there was none."""
        if at <= self._last.get(key, 0):
            return
        self._last[key] = at
        if len(self._last) > _MOST:
            latest = sorted(self._last.items(), key=lambda item: item[1])[_MOST // 4 :]
            self._last = dict(latest)

    def of(self, key: PairKey) -> int:
        """Tell when a nameserver last answered; 0 if that is not known."""
        return self._last.get(key, 0)
