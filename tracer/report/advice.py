"""Evidence in words: one sentence on what was seen, one on what to do. Nothing here is guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tracer.identity import Identity
from tracer.ledger.last_answers import LastAnswers
from tracer.ledger.pair import Pair
from tracer.ledger.process import Process
from tracer.lookups import LookupPath
from tracer.report.causes import Cause, Finding, find_cause
from tracer.report.cures import recover, restart, restart_pod
from tracer.report.services import SERVICE_NAMES, LookupServices
from tracer.resolvconf.history import History
from tracer.verdict.states import State

_WHY = {
    Cause.READ_ONCE: "{who} has not re-read the file since generation {generation}",
    Cause.CHECKED_ONCE: "{who} has not checked the file since generation {generation}",
    Cause.POLLS: "{who} checks the file every {seconds} s and will recover by itself",
    Cause.RE_READ: "{who} has re-read the file since (generation {generation}), and not queried the old "
    "server after that",
    Cause.PINNED: "{who} re-read the file (generation {generation}) and still queries the old server: its own "
    "configuration names it, or a second resolver in it read the file once",
    Cause.INHERITED: "{who} re-read the file (generation {generation}); the old server comes from a resolver that its "
    "parent, {parent}, set up before the change",
    Cause.CHECKED_ONLY: "{who} checked the file (generation {generation}) without reading it: its modification time "
    "may be unchanged, or a second resolver in it read the file once",
    Cause.NEVER_READ: "it never read the file: its own configuration names the server, or another program told it",
    Cause.NOT_SEEN: "it has not read the file since resolvtrace started",
    Cause.EMPTY_FILE: "{who} read the file while it was empty, and has not re-read it",
}
_RE_READING_HELPS = frozenset(
    {Cause.READ_ONCE, Cause.CHECKED_ONCE, Cause.POLLS, Cause.INHERITED, Cause.NOT_SEEN, Cause.EMPTY_FILE}
)
"""Causes for which it is enough that the program re-reads the file, if its reload does that."""
_FOLLOWS_ON_ANOTHER_PATH = frozenset({Cause.PINNED, Cause.INHERITED})
_NOTHING = "nothing to do"
_LOCAL = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Background:
    """What one process is seen against: the host's history, since when we watch, who answers at lookup sockets.

    ``find``: gives the identity of a living process by pid and birth. ``last_answers``: of nameservers to anybody.
    """

    host: History
    watching_since: int
    services: LookupServices
    find: Callable[[int, int], Identity | None]
    last_answers: LastAnswers


def reason_and_advice(process: Process, background: Background) -> tuple[str, str]:
    """Say why a process is in its state, and what an administrator should do about it."""
    state = process.worst
    shown = [(key.address, pair) for key, pair in process.pairs.items() if pair.state is state and not pair.ignored]
    if state in (State.CURRENT, State.QUIET, State.RETIRED) and not _queries_itself(process, shown):
        service = _of_lookup_service(process, background.services)
        if service is not None:
            return service
    if not shown and process.pairs:
        key, ignored = max(process.pairs.items(), key=lambda item: item[1].evidence.last or 0)
        return f"queries {key.address}, which is ignored by {_rules(ignored)}", _NOTHING
    if not shown:
        return "has read resolv.conf and queried no nameserver since", _NOTHING
    address, pair = max(shown, key=lambda item: item[1].evidence.last or 0)
    return _of_pair(process, address, pair, background)


def _of_pair(  # noqa: PLR0911 - a state is a case
    process: Process, address: str, pair: Pair, background: Background
) -> tuple[str, str]:
    match pair.state:
        case State.STALE:
            return _of_stale(process, address, pair, background)
        case State.OUTDATED:
            return _of_outdated(process, address, background.host)
        case State.GRACE:
            sent = (
                f"sent {_queries(pair)} to {address} after {_file(process)} dropped it, too few after the grace period"
            )
            return sent, "wait: a lookup that began before the change may still be running"
        case State.SUSPECT:
            return _of_suspect(process, address)
        case State.UNLISTED:
            return _of_unlisted(process, address)
        case State.CURRENT:
            return _of_current(process, address, pair), _NOTHING
        case State.QUIET:
            return _of_quiet(process, address)
        case State.RETIRED:
            return _of_retired(process, address), _NOTHING


def _queries_itself(process: Process, shown: list[tuple[str, Pair]]) -> bool:
    """Tell whether it still queries nameservers by itself, as far as its lookup path and its pairs tell."""
    return process.lookup_path is LookupPath.MIXED or any(pair.state is State.CURRENT for _, pair in shown)


def _rules(pair: Pair) -> str:
    names = pair.ruling.names if pair.ruling else ()
    return f"{'rule' if len(names) == 1 else 'rules'} {', '.join(names)}"


def _file(process: Process) -> str:
    return process.view.location if process.view else "its resolv.conf"


def _queries(pair: Pair) -> str:
    number = pair.evidence.since_removed
    return "1 query" if number == 1 else f"{number} queries"


def _dropped(process: Process, address: str) -> str:
    removal = process.view.history.removals.get(address) if process.view else None
    generation = f" (generation {removal.generation})" if removal else ""
    return f"{_file(process)} dropped it{generation}"


def _of_stale(process: Process, address: str, pair: Pair, background: Background) -> tuple[str, str]:
    finding = find_cause(process, address, background.watching_since)
    who = "it and its workers " if any(use.worker_queries for use in pair.uses.values()) else ""
    helper = process.helper
    reader = "it" if helper is None else f"its helper, pid {helper.pid},"
    parent = _parent(finding, background)
    why = _WHY[finding.cause].format(
        who=reader, generation=finding.generation, seconds=finding.seconds, parent=parent or "?"
    )
    if helper is not None and finding.cause is Cause.READ_ONCE:
        why = f"its helper, pid {helper.pid}, read the file at generation {finding.generation} and has not re-read it"
    reason = f"{who}sent {_queries(pair)} to {address} after {_dropped(process, address)}; {why}"
    return reason, _advice_stale(process, address, finding, background)


def _parent(finding: Finding, background: Background) -> str | None:
    if finding.origin is None:
        return None
    pid, birth = finding.origin
    identity = background.find(pid, birth)
    return f"{identity.comm} (pid {pid})" if identity is not None else f"pid {pid}, which has exited"


def _advice_stale(process: Process, address: str, finding: Finding, background: Background) -> str:
    again = recover if finding.cause in _RE_READING_HELPS else restart
    advice = again(process.identity, process.pid)
    match finding.cause:
        case Cause.POLLS:
            return f"wait {finding.seconds} s: it follows by itself within {finding.seconds} s; or {advice}"
        case Cause.RE_READ:
            return f"wait for its next lookup: it may follow now; if it still queries {address}, {advice}"
        case Cause.NEVER_READ:
            return f"look for {address} in its own configuration, then {advice}"
        case Cause.INHERITED if finding.origin is not None:
            pid, birth = finding.origin
            identity = background.find(pid, birth)
            if identity is not None:
                advice = recover(identity, pid, "its parent")
        case Cause.PINNED:
            advice += f"; if it still queries {address}, look for that in its own configuration"
        case Cause.CHECKED_ONLY:
            advice = f"touch {_file(process)} to update its mtime; if it still uses the old server, {advice}"
        case _:
            pass
    return advice + _nscd(process, finding.cause, background.services)


def _nscd(process: Process, cause: Cause, services: LookupServices) -> str:
    """Say whether nscd would help: only if that was seen of this process's own lookups.

    One that follows the file on one path is behind on another, which is not glibc's.
    """
    if services.has(LookupPath.NSCD, process) or process.lookup_path is LookupPath.MIXED:
        return "; it queries nameservers directly, bypassing nscd"
    if process.nscd_would_help and cause not in _FOLLOWS_ON_ANOTHER_PATH:
        return "; or start nscd: its getaddrinfo() calls switch over within 100 lookups"
    if process.lookups.other_type:
        return "; nscd cannot help: it queries for more than addresses (MX, TXT, ...), which nscd does not answer"
    return ""


def _of_current(process: Process, address: str, pair: Pair) -> str:
    if pair.ruling:
        return f"queries {address}, as {_rules(pair)} expects"
    if process.view is not None and process.view.history.current.conf.implicit:
        return f"queries {address}, since {_file(process)} gives glibc no nameserver"
    checks = ", and checks the file before it queries" if process.checked else ""
    return f"queries {address}, which {_file(process)} lists{checks}"


def _of_suspect(process: Process, address: str) -> tuple[str, str]:
    reason = (
        f"queries {address}, which {_file(process)} does not list; the process is older than the file, "
        "and what the file said before is not known"
    )
    return reason, f"if the file listed {address} before, {recover(process.identity, process.pid)}"


def _of_quiet(process: Process, address: str) -> tuple[str, str]:
    reason = (
        f"has queried nobody since {_dropped(process, address)}, and has not re-read the file: "
        f"it may query {address} again"
    )
    return reason, f"check again after its next lookup, or {recover(process.identity, process.pid)}"


def _of_retired(process: Process, address: str) -> str:
    view = process.view
    removal = view.history.removals.get(address) if view else None
    behaviour = process.behaviour()
    if removal is None:
        return f"queried {address} until it read {_file(process)}, which does not list it"
    if behaviour.last_listed is not None and behaviour.last_listed > removal.noticed:
        return f"queried {address} until {_dropped(process, address)}, and has queried only listed servers since"
    has_read = behaviour.last_read is not None and behaviour.last_read > removal.noticed
    did = "re-read" if has_read else "checked"
    return f"queried {address} until {_dropped(process, address)}, and has {did} the file since"


def _of_outdated(process: Process, address: str, host: History) -> tuple[str, str]:
    removal = host.removals.get(address)
    since = f" since generation {removal.generation}" if removal else ""
    in_chroot = process.view is not None and process.view.inside
    what = f"its own copy, {_file(process)}," if in_chroot else "its own copy of resolv.conf"
    reason = f"queries {address}, which {what} still lists and the host's resolv.conf does not{since}"
    identity = process.identity
    if identity.pod:
        return reason, f"{restart_pod(identity.pod)}, with a fresh copy"
    if identity.container and not identity.runtime:
        return reason, f"{restart(identity, process.pid)}: its copy is made when it starts"
    copy = _file(process) if in_chroot else "the copy of resolv.conf that it sees"
    return reason, f"refresh {copy}, then {restart(identity, process.pid)}"


def _of_unlisted(process: Process, address: str) -> tuple[str, str]:
    change = f"if the nameserver is to go, look for {address} in its own configuration"
    if process.absent and address in _LOCAL:
        return (
            f"queries {address}: there is no {process.absent}, and glibc queries 127.0.0.1 then",
            f"put a copy of /etc/resolv.conf at {process.absent}",
        )
    if process.forwards:
        return (
            f"queries {address} on behalf of others; it is not known where it takes its upstreams from",
            f"{_NOTHING}; if the nameserver is to go, change the forwarder's configuration",
        )
    if _found_nobody_listed(process):
        return _of_default(process, address)
    return (
        f"queries {address}, which {_file(process)} has not listed since resolvtrace started",
        f"{_NOTHING} for resolv.conf; {change}",
    )


def _of_default(process: Process, address: str) -> tuple[str, str]:
    advice = restart(process.identity, process.pid)
    configured = f"if it still queries {address}, look for that in its own configuration"
    is_empty = process.view is not None and process.view.history.current.conf.implicit
    if is_empty:
        advice = f"list a nameserver in {_file(process)}, then {advice}"
    never = "does not list: the file lists nobody" if is_empty else "never listed: its last read found an empty file"
    reason = f"queries {address}, which {_file(process)} {never}, so it is most likely a default of its own"
    return reason, f"{advice}; {configured}"


def _found_nobody_listed(process: Process) -> bool:
    """Tell whether the file listed nobody when it last read it."""
    read = process.read_state.last_read
    found = process.view.history.generation(read.generation) if process.view and read else None
    return found is not None and found.conf.implicit


def _of_lookup_service(process: Process, services: LookupServices) -> tuple[str, str] | None:
    name = SERVICE_NAMES.get(process.lookup_path)
    if name is None:
        return None
    server = services.of(process)
    if server is None:
        return f"looks names up through {name}, which follows resolv.conf for it", _NOTHING
    state = server.worst
    reason = f"looks names up through {name} (pid {server.pid}), which is {state}"
    if state in (State.STALE, State.OUTDATED):
        return reason, f"fix {name}: {restart(server.identity, server.pid)}"
    return reason, _NOTHING
