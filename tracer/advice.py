"""Evidence in words: one sentence on what was seen, one on what to do. Nothing here is guessed."""

from __future__ import annotations

from dataclasses import dataclass

from tracer.causes import Cause, Kind, cause_of
from tracer.generations import History
from tracer.process import Pair, Process
from tracer.services import LookupServices
from tracer.snapshot import LookupPath, State

_SERVICE_NAMES = {
    LookupPath.NSCD: "nscd",
    LookupPath.RESOLVED: "systemd-resolved",
    LookupPath.SSSD: "SSSD",
}
_WHY = {
    Kind.READ_ONCE: "it read the file at generation {generation} and never since",
    Kind.LOOKED_ONCE: "it looked at the file at generation {generation} and never since",
    Kind.READS_AGAIN: "it reads the file every {seconds} s and will heal",
    Kind.PINNED: "it read generation {generation} and still asks the old one: pinned by its own configuration, "
    "or by a second resolver in it that read the file once",
    Kind.LOOKED_ONLY: "it looked at generation {generation} and did not read it: it goes by the file's time, "
    "which may be as before, or a second resolver in it read the file once",
    Kind.NEVER_READ: "it never read the file: pinned by its own configuration",
    Kind.NOT_SEEN: "it has not read the file since resolvtrace watches",
    Kind.EMPTY_FILE: "it took that address while the file was empty for a moment, and never read it again",
}


@dataclass(frozen=True, slots=True)
class Background:
    """What one process is seen against: the host's history, since when we watch, who answers at lookup sockets."""

    host: History
    watching_since: int
    services: LookupServices


def reason_and_advice(process: Process, background: Background) -> tuple[str, str]:
    """Say why a process is in its state, and what an administrator should do about it."""
    state = process.worst
    told = [(key.address, pair) for key, pair in process.pairs.items() if pair.state is state and not pair.ignored]
    if not told or all(pair.state is State.RETIRED for _, pair in told):
        service = _of_lookup_service(process, background.services)
        if service is not None:
            return service
    if not told and process.pairs:
        key, ignored = max(process.pairs.items(), key=lambda item: item[1].evidence.last or 0)
        return f"asks {key.address}, which is to be ignored: {_rules(ignored)}", "nothing to do"
    if not told:
        return "has read resolv.conf and asked no nameserver since", "nothing to do"
    address, pair = max(told, key=lambda item: item[1].evidence.last or 0)
    match state:
        case State.STALE:
            cause = cause_of(process, address, background.watching_since)
            said = _reason_stale(process, address, pair, cause), _advice_stale(process, address, cause)
        case State.OUTDATED:
            said = _of_outdated(process, address, background.host)
        case State.GRACE:
            said = (
                f"asked {address} after {_file(process)} ceased to list it, but not yet often enough after the grace",
                "wait: a lookup that began before the change may still be under way",
            )
        case State.SUSPECT:
            said = _of_suspect(process, address)
        case State.UNLISTED:
            said = _of_unlisted(process, address)
        case State.CURRENT if pair.ruling:
            said = f"asks {address}, which it is expected to: {_rules(pair)}", "nothing to do"
        case State.CURRENT:
            looks = ", and looks at the file before it asks" if process.checked else ""
            said = f"asks {address}, which {_file(process)} lists{looks}", "nothing to do"
        case State.RETIRED:
            said = (
                f"asked {address} until {_file(process)} ceased to list it, and keeps to what is listed since",
                "nothing to do",
            )
    return said


def _rules(pair: Pair) -> str:
    names = pair.ruling.names if pair.ruling else ()
    return f"{'rule' if len(names) == 1 else 'rules'} {', '.join(names)}"


def _of_suspect(process: Process, address: str) -> tuple[str, str]:
    reason = (
        f"asks {address}, which {_file(process)} does not list; the process is older than the file, "
        "and what the file said before is not known"
    )
    return reason, f"compare with the file's past; if {address} was listed then, {_restart(process)}"


def _file(process: Process) -> str:
    return process.view.location if process.view else "its resolv.conf"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _reason_stale(process: Process, address: str, pair: Pair, cause: Cause) -> str:
    removal = process.view.history.removals.get(address) if process.view else None
    generation = removal.generation if removal else "?"
    who = "with its workers " if any(use.worker_queries for use in pair.uses.values()) else ""
    asked = (
        f"{who}asked {address} {_times(pair.evidence.since_removed)} after generation {generation} of {_file(process)} "
        "ceased to list it"
    )
    return f"{asked}; {_WHY[cause.kind].format(generation=cause.generation, seconds=cause.seconds)}"


def _advice_stale(process: Process, address: str, cause: Cause) -> str:
    advice = _restart(process)
    match cause.kind:
        case Kind.READS_AGAIN:
            return f"wait {cause.seconds} s, or {advice}"
        case Kind.NEVER_READ:
            return f"look for {address} in its own configuration, then {advice}"
        case Kind.PINNED:
            advice += f"; if it goes on, look for {address} in its own configuration"
        case Kind.LOOKED_ONLY:
            advice = f"touch {_file(process)}, which gives it a new time; if it goes on, {advice}"
        case _:
            pass
    if process.lookup_path is LookupPath.NSS:
        return f"{advice}; or start nscd, which getaddrinfo(3) in it then asks within a hundred lookups"
    if process.lookup_path in (LookupPath.DIRECT, LookupPath.MIXED):
        return f"{advice}; it asks nameservers itself, so nscd cannot help"
    return advice


def _restart(process: Process) -> str:
    identity = process.identity
    if identity.unit and identity.unit.endswith(".service"):
        inside = f", in container {identity.container[:12]}" if identity.container else ""
        return f"restart it: systemctl restart {identity.unit}{inside}"
    if identity.pod:
        return _restart_pod(identity.pod)
    if identity.container:
        return f"restart container {identity.container[:12]}"
    return f"restart {identity.comm} (pid {process.pid})"


def _restart_pod(pod: str) -> str:
    namespace, _, name = pod.partition("/")
    return f"restart pod {pod}: kubectl -n {namespace} delete pod {name}, which its controller then makes anew"


def _of_outdated(process: Process, address: str, host: History) -> tuple[str, str]:
    removal = host.removals.get(address)
    since = f" since generation {removal.generation}" if removal else ""
    in_chroot = process.view is not None and process.view.inside
    what = f"its own copy, {_file(process)}," if in_chroot else "its own copy of resolv.conf"
    reason = f"asks {address}, which {what} still lists and the host's resolv.conf does not{since}"
    if process.identity.pod:
        return reason, f"{_restart_pod(process.identity.pod)}: its copy is made with it"
    if process.identity.container:
        return reason, f"restart container {process.identity.container[:12]}: its copy is made when it starts"
    copy = _file(process) if in_chroot else "the copy of resolv.conf that it sees"
    return reason, f"refresh {copy}, then {_restart(process)}"


def _of_unlisted(process: Process, address: str) -> tuple[str, str]:
    if process.forwarder:
        return (
            f"asks {address} on behalf of others: it forwards, and does not take its upstreams from resolv.conf",
            "nothing to do; if the nameserver is to go, change the forwarder's configuration",
        )
    return (
        f"asks {address}, which {_file(process)} never listed while resolvtrace watched",
        f"nothing to do for resolv.conf; if the nameserver is to go, look for {address} in its own configuration",
    )


def _of_lookup_service(process: Process, services: LookupServices) -> tuple[str, str] | None:
    name = _SERVICE_NAMES.get(process.lookup_path)
    if name is None:
        return None
    server = services.of(process)
    if server is None:
        return f"looks names up through {name}, which follows resolv.conf for it", "nothing to do"
    state = server.worst
    reason = f"looks names up through {name} (pid {server.pid}), which is {state}"
    if state in (State.STALE, State.OUTDATED):
        return reason, f"the cure is {name}'s: {_restart(server)}"
    return reason, "nothing to do"
