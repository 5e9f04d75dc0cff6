"""The process that holds a world's namespaces, and kills what is in them when its parent exits.

Run by world.py, as root, in new network and mount namespaces (private propagation); its arguments are the text of
resolv.conf and the addresses of the loopback interface. It prints `ready` and waits for the end of its standard input
or SIGTERM: the parent left the world, or exited. Then it kills every process left in its network namespace: a daemon
that forked has lost its parent-death signal (prctl(2), PR_SET_PDEATHSIG: cleared by fork, and by exec of a set-id
program), but not its namespace.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"
KILL_SECONDS = 1.0
PRIVATE = ("/run", "/var/cache/nscd")


def main(resolv_conf: str, addresses: list[str]) -> None:
    """Set up the world, hold it, remove it."""
    if network_namespace("self") == network_namespace(str(os.getppid())):
        sys.exit("the holder must run in its own network namespace: it kills every process in it")
    signal.signal(signal.SIGTERM, end)
    try:
        try:
            build_files(resolv_conf)
            build_network(addresses)
            os.write(sys.stdout.fileno(), b"ready\n")
            sys.stdin.buffer.read()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        # In its own block: an exiting parent sends SIGTERM and closes our standard input at once, so the signal may
        # come while the inner block is left.
        while kill_others():
            pass  # one may have forked meanwhile


def end(*_: object) -> None:
    """Exit on SIGTERM, once: a second signal must not interrupt the clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def build_files(resolv_conf: str) -> None:
    """Give the world its own files: a copy of /etc on a tmpfs, and empty directories for sockets and caches.

    `mount -n`, or mount(8) would write its own files to the new /run.
    """
    for place in filter(os.path.isdir, PRIVATE):
        run("mount", "-n", "-t", "tmpfs", "-o", "mode=0755", "resolvtrace-lab", place)
    if not Path("/run").samefile("/var/run"):
        run("mount", "-n", "--bind", "/run", "/var/run")
    etc = Path("/run/etc")
    etc.mkdir()
    run("mount", "-n", "-t", "tmpfs", "-o", "mode=0755", "resolvtrace-lab", str(etc))
    run("cp", "-a", "/etc/.", str(etc))
    # Lookups must not use a module (resolve, mdns) that the host's /etc configures.
    (etc / "nsswitch.conf").write_text(NSSWITCH)
    # Before it is visible: the first content of this world's file must be the given one.
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text(resolv_conf)
    run("mount", "-n", "--move", str(etc), "/etc")
    etc.rmdir()
    Path("/run/nscd").mkdir()


def build_network(addresses: list[str]) -> None:
    """Bring up the loopback interface with the given addresses, and no other network."""
    run("ip", "link", "set", "lo", "up")
    for address in addresses:
        if ":" in address:
            run("ip", "address", "add", f"{address}/128", "dev", "lo", "nodad")
        else:
            run("ip", "address", "add", f"{address}/32", "dev", "lo")


def run(*argv: str) -> None:
    """Run a command; if it fails, so does the holder, with the command's message."""
    if shutil.which(argv[0]) is None:
        sys.exit(f"{argv[0]} is not installed")
    if subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"failed: {' '.join(argv)}")


def kill_others() -> bool:
    """Kill every other process of this network namespace and wait for its exit; return whether there was one."""
    found, mine = False, network_namespace("self")
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        if pid == os.getpid():
            continue
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue  # it has exited
        try:
            # Read while the handle keeps the pid from being reused; a zombie has no namespace.
            if network_namespace(process.name) == mine:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], KILL_SECONDS)
                found = True
        except OSError:
            continue
        finally:
            os.close(handle)
    return found


def network_namespace(process: str) -> Path:
    """Return the name of a process's network namespace. Raises OSError if it has exited, or is a zombie."""
    return Path("/proc", process, "ns/net").readlink()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
