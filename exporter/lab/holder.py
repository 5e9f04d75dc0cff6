"""The process that holds a world's namespaces, and that ends the world when its parent does.

Run by world.py, as root, in fresh network and mount namespaces (private propagation); its arguments are the text of
resolv.conf and the addresses of the loopback interface. It says `ready` and waits until its standard input ends or
SIGTERM comes: the parent left the world, or died. Then it kills whoever is left in its network namespace: a daemon
that forked away has lost its parent-death signal (prctl(2), PR_SET_PDEATHSIG: cleared by fork, and by exec of a
set-id program), yet not its namespace.
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
    """Build the world, hold it, end it."""
    if network_namespace("self") == network_namespace(str(os.getppid())):
        sys.exit("the holder must run in a network namespace of its own: it kills whoever shares it")
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
        # Of its own: a dying parent sends SIGTERM and ends our standard input at once, so that the signal may come
        # while the other one begins.
        while kill_others():
            pass  # one may have forked meanwhile


def end(*_: object) -> None:
    """End on SIGTERM, once: a second one must not interrupt what the first has begun."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def build_files(resolv_conf: str) -> None:
    """Give the world files of its own: a copy of /etc on a tmpfs, and empty places for sockets and caches.

    `mount -n`, or mount(8) would leave notes of its own in the new /run.
    """
    for place in filter(os.path.isdir, PRIVATE):
        run("mount", "-n", "-t", "tmpfs", "-o", "mode=0755", "resolvtrace-lab", place)
    if not Path("/run").samefile("/var/run"):
        run("mount", "-n", "--bind", "/run", "/var/run")
    etc = Path("/run/etc")
    etc.mkdir()
    run("mount", "-n", "-t", "tmpfs", "-o", "mode=0755", "resolvtrace-lab", str(etc))
    run("cp", "-a", "/etc/.", str(etc))
    # A lookup must not leave by a module (resolve, mdns) that only the host's own /etc asks for.
    (etc / "nsswitch.conf").write_text(NSSWITCH)
    # Before anybody can see it: the first that this world's file says is what the world was asked to say.
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text(resolv_conf)
    run("mount", "-n", "--move", str(etc), "/etc")
    etc.rmdir()
    Path("/run/nscd").mkdir()


def build_network(addresses: list[str]) -> None:
    """Bring up the loopback interface with the addresses given, and no way out of it."""
    run("ip", "link", "set", "lo", "up")
    for address in addresses:
        if ":" in address:
            run("ip", "address", "add", f"{address}/128", "dev", "lo", "nodad")
        else:
            run("ip", "address", "add", f"{address}/32", "dev", "lo")


def run(*argv: str) -> None:
    """Run a command to its end; where it fails, so does the holder, with the command's own words."""
    if shutil.which(argv[0]) is None:
        sys.exit(f"{argv[0]} is not installed")
    if subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"failed: {' '.join(argv)}")


def kill_others() -> bool:
    """Kill each other process of this network namespace and wait until it is gone; say whether there was any."""
    found, mine = False, network_namespace("self")
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        if pid == os.getpid():
            continue
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue  # it is gone
        try:
            # Asked while the handle keeps the pid from meaning somebody else; a zombie has no namespace any more.
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
    """Return the name of a process's network namespace. Raises OSError where it is gone, or a zombie."""
    return Path("/proc", process, "ns/net").readlink()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
