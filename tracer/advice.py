"""Evidence in words: one sentence on what was seen, one on what to do. Nothing here is guessed."""

from __future__ import annotations

from tracer.generations import History, Removal
from tracer.process import Pair, Process
from tracer.snapshot import LookupPath, State


def reason_and_advice(process: Process, host: History) -> tuple[str, str]:
    """Say why a process is in its state, and what an administrator should do about it."""
    state = process.worst
    told = [(key.address, pair) for key, pair in process.pairs.items() if pair.state is state]
    if not told:
        return _of_lookup_service(process)
    address, pair = max(told, key=lambda item: item[1].evidence.last or 0)
    match state:
        case State.STALE:
            said = _reason_stale(process, address, pair), _advice_stale(process, address)
        case State.OUTDATED:
            said = _of_outdated(process, address, host)
        case State.GRACE:
            said = (
                f"asked {address} after {_file(process)} ceased to list it, but not yet often enough after the grace",
                "wait: a lookup that began before the change may still be under way",
            )
        case State.SUSPECT:
            said = _of_suspect(process, address)
        case State.UNLISTED:
            said = _of_unlisted(process, address)
        case State.CURRENT:
            looks = ", and looks at the file before it asks" if process.checked else ""
            said = f"asks {address}, which {_file(process)} lists{looks}", "nothing to do"
        case State.RETIRED:
            said = (
                f"asked {address} until {_file(process)} ceased to list it, and keeps to what is listed since",
                "nothing to do",
            )
    return said


def _of_suspect(process: Process, address: str) -> tuple[str, str]:
    reason = (
        f"asks {address}, which {_file(process)} does not list; the process is older than the file, "
        "and what the file said before is not known"
    )
    return reason, f"compare with the file's past; if {address} was listed then, {_restart(process)}"


def _file(process: Process) -> str:
    return process.view.path if process.view else "its resolv.conf"


def _removal(process: Process, address: str) -> Removal | None:
    return process.view.history.removals.get(address) if process.view else None


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _reason_stale(process: Process, address: str, pair: Pair) -> str:
    removal = _removal(process, address)
    generation = removal.generation if removal else "?"
    who = "with its workers " if any(use.worker_queries for use in pair.uses.values()) else ""
    asked = (
        f"{who}asked {address} {_times(pair.evidence.since_removed)} after generation {generation} of {_file(process)} "
        "ceased to list it"
    )
    return f"{asked}; {_why_stale(process, address, removal)}"


def _why_stale(process: Process, address: str, removal: Removal | None) -> str:
    view, read = process.read_view or process.view, process.last_read
    if removal and view and _came_from_empty_file(view.history, address, removal):
        return "it took that address while the file was empty for a moment, and never read it again"
    if read is None or view is None:
        return "it has not read the file since resolvtrace watches"
    number = view.history.at(read).number
    if removal and number < removal.generation:
        if process.reads:
            return f"it read the file at generation {number} and never since"
        return f"it looked at the file at generation {number} and never since"
    return (
        f"it has read generation {number} and asks the old one all the same: "
        "its own configuration pins it, or a second resolver in it read the file once"
    )


def _came_from_empty_file(history: History, address: str, removal: Removal) -> bool:
    before = [one for one in history.generations if one.number == removal.generation - 1]
    return bool(before) and before[0].conf.implicit and address in before[0].conf.listed


def _advice_stale(process: Process, address: str) -> str:
    advice = _restart(process)
    read, view = process.last_read, process.read_view
    removal = _removal(process, address)
    if read is not None and view is not None and removal and view.history.at(read).number >= removal.generation:
        advice += f"; if it goes on, look for {address} in its own configuration"
    if process.lookup_path is LookupPath.NSS:
        return f"{advice}; or start nscd, which it will ask instead within a hundred lookups"
    if process.lookup_path in (LookupPath.DIRECT, LookupPath.MIXED):
        return f"{advice}; it asks nameservers itself, so nscd cannot help"
    return advice


def _restart(process: Process) -> str:
    identity = process.identity
    if identity.unit and identity.unit.endswith(".service"):
        inside = f", in container {identity.container[:12]}" if identity.container else ""
        return f"restart it: systemctl restart {identity.unit}{inside}"
    if identity.container:
        return f"restart container {identity.container[:12]}"
    return f"restart {identity.comm} (pid {process.pid})"


def _of_outdated(process: Process, address: str, host: History) -> tuple[str, str]:
    removal = host.removals.get(address)
    since = f" since generation {removal.generation}" if removal else ""
    reason = f"asks {address}, which its own copy of resolv.conf still lists and the host's does not{since}"
    if process.identity.container:
        return reason, f"restart container {process.identity.container[:12]}: its copy is made when it starts"
    return reason, f"refresh the copy of resolv.conf that it sees, then {_restart(process)}"


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


def _of_lookup_service(process: Process) -> tuple[str, str]:
    services = {
        LookupPath.NSCD: "nscd",
        LookupPath.RESOLVED: "systemd-resolved",
        LookupPath.SSSD: "SSSD",
    }
    service = services.get(process.lookup_path)
    if service is None:
        return "has read resolv.conf and asked no nameserver since", "nothing to do"
    return f"looks names up through {service}, which follows resolv.conf for it", "nothing to do"
