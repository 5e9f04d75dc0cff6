"""How a process looks names up: by what was seen of the lookup sockets, and of its own queries."""

from __future__ import annotations

from dataclasses import dataclass

from tracer.kernel.records import Lookup, ProcessFlag, Service
from tracer.lookups import LookupPath


@dataclass(slots=True)
class LookupKinds:
    """How many ticks began with a lookup of each kind (bpf/records.h, enum lookup): tells whether nscd could answer."""

    through_nss: int = 0
    by_itself: int = 0
    other_type: int = 0
    unknown: int = 0

    def add(self, lookup: int) -> None:
        """Count one."""
        self.through_nss += lookup == Lookup.THROUGH_NSS
        self.by_itself += lookup == Lookup.BY_ITSELF
        self.other_type += lookup == Lookup.OTHER_TYPE
        self.unknown += lookup == Lookup.UNKNOWN

    @property
    def all_through_nss(self) -> bool:
        """Whether all that was seen goes the way that tries nscd first."""
        return self.through_nss > 1 and not (self.by_itself or self.other_type or self.unknown)


def lookup_path(flags: int, lookups: LookupKinds, *, queries: bool, resolves_itself: bool) -> LookupPath:
    """Tell how a process looks names up.

    ``queries``: it has queried a nameserver since a lookup socket last answered. ``resolves_itself``: what it tried
    nscd's socket for was no name.
    """
    for service, path in (
        (Service.NSCD, LookupPath.NSCD),
        (Service.RESOLVED, LookupPath.RESOLVED),
        (Service.SSSD, LookupPath.SSSD),
    ):
        if flags & (ProcessFlag.ANSWERED << service):
            if not queries:
                return path
            if service is Service.NSCD:
                return LookupPath.MIXED
    if flags & ProcessFlag.NSCD_FALLBACK and lookups.through_nss and not resolves_itself:
        return LookupPath.NSS
    return LookupPath.DIRECT if queries else LookupPath.UNKNOWN
