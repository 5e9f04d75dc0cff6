"""Whether a process would follow a change of resolv.conf, in words: one sentence on what was seen that tells."""

from __future__ import annotations

from tracer.kernel.records import ProcessFlag, Service
from tracer.ledger.evaluator import takes_upstreams_from_resolv_conf
from tracer.ledger.process import Process
from tracer.lookups import LookupPath
from tracer.report.causes import watched_from_its_exec
from tracer.report.services import SERVICE_NAMES, LookupServices, service_of
from tracer.resolvconf.history import LONGEST_LOOKUP_SECONDS
from tracer.resolvconf.view import RESOLV_CONF
from tracer.verdict.following import Because, Facts, Finding, Follows, would_follow
from tracer.verdict.states import State

_FEW_READS = 3
_REASONS = {
    Because.STALE: "is stale: it stayed on a server that was removed",
    Because.LATE: "checks the file some time before it queries: another resolver in it may check, and this one stay",
    Because.TWO_WAYS: "checks the file before some of its queries only: a second resolver in it may stay",
    Because.INHERITS: "checks the file before it queries, but its parent read it before: that resolver may stay",
    Because.WATCHES: "does not check the file, but inotify tells it or its parent of changes: it may re-read it then",
    Because.UNSEEN: "is a 32-bit program: whether it checks the file cannot be seen",
    Because.FORWARDS: "queries on behalf of others: it is not known where it takes its upstreams from",
}
_TRIED_NSCD = (ProcessFlag.ANSWERED | ProcessFlag.REFUSED) << Service.NSCD


def follows(process: Process, services: LookupServices, watching_since: int) -> tuple[Follows, str]:
    """Tell whether a process would follow, and what was seen that tells."""
    name = SERVICE_NAMES.get(process.lookup_path)
    if name is not None:
        return _of_client(process, name, services, watching_since)
    upstreams = process.upstreams
    if upstreams is not None and upstreams.path != RESOLV_CONF and service_of(process) is LookupPath.RESOLVED:
        return Follows.YES, f"takes its upstreams from {upstreams.location}, which it writes itself"
    never_read = _never_read(process, watching_since)
    finding = would_follow(process.query_pattern, _facts(process, never_read=never_read))
    return finding.follows, _reason(process, finding, watching_since, never_read=never_read)


def _of_client(process: Process, name: str, services: LookupServices, watching_since: int) -> tuple[Follows, str]:
    server = services.of(process)
    if server is None:
        return Follows.UNKNOWN, f"looks names up through {name}, which has sent no query since resolvtrace started"
    through = f"looks names up through {name} (pid {server.pid})"
    if SERVICE_NAMES.get(server.lookup_path) is not None:
        return Follows.UNKNOWN, f"{through}, which goes through another service itself"
    answer, reason = follows(server, services, watching_since)
    return answer, f"{through}, which {reason}"


def _never_read(process: Process, watching_since: int) -> bool:
    """Tell whether it was watched from its exec, and read no file named resolv.conf."""
    has_read = process.reads or process.checked or process.other_files
    return not has_read and watched_from_its_exec(process, watching_since)


def _inherits(process: Process) -> bool:
    """Tell whether it may have its parent's resolver beside its own: it read the file since the fork, but seldom."""
    origin = process.res_state.origin
    own_reads = [read for read in process.res_state.reads if read.at > process.id.birth]
    return origin is not None and origin.generation is not None and len(own_reads) < _FEW_READS


def _facts(process: Process, *, never_read: bool) -> Facts:
    view = process.view
    lookup = view.history.current.conf.lookup_seconds if view else 0
    return Facts(
        stale=process.worst is State.STALE,
        seen=not process.identity.is_32_bit,
        forwards=bool(process.forwards) and not (never_read or takes_upstreams_from_resolv_conf(process)),
        uses_nss=bool(process.flags & _TRIED_NSCD),
        inherits=_inherits(process),
        lookup_seconds=min(lookup, LONGEST_LOOKUP_SECONDS),
        first_reads=process.read_state.first_reads,
        history=view.history if view else None,
    )


def _reason(  # noqa: PLR0911 - what was seen is a case
    process: Process, finding: Finding, watching_since: int, *, never_read: bool
) -> str:
    pattern = process.query_pattern
    read = process.read_state.last_read
    by_stat = read is None or process.checked > read.at
    match finding.because:
        case Because.LOOKS_FIRST:
            return f"{'checks' if by_stat else 'reads'} the file before it queries"
        case Because.LOOKS_AGAIN if by_stat:
            return f"checks the file every {finding.seconds} s: it follows within that if the file's mtime changes"
        case Because.LOOKS_AGAIN:
            return f"re-reads the file every {finding.seconds} s"
        case Because.FOLLOWED:
            return f"re-read the file within {finding.seconds + 1} s of its change (generation {finding.generation})"
        case Because.NEVER_LOOKS:
            how = "and never read the file" if never_read else "without checking or re-reading the file"
            return f"sent {_queries(pattern.queries)} over {pattern.seconds:.0f} s {how}"
        case Because.TOO_FEW:
            return _too_few(process, watching_since)
        case because:
            return _REASONS[because]


def _too_few(process: Process, watching_since: int) -> str:
    pattern = process.query_pattern
    older = "; it started before resolvtrace" if process.id.birth < watching_since else ""
    if not pattern.queries and not pattern.looks:
        return f"has queried no listed server{older}"
    since = "since it last checked the file" if pattern.looks else "so far"
    return f"sent {_queries(pattern.queries)} over {pattern.seconds:.0f} s {since}: too few to tell{older}"


def _queries(number: int) -> str:
    return "1 query" if number == 1 else f"{number} queries"
