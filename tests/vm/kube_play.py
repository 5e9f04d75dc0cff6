"""The DaemonSet's own manifest, played by Podman on a whole Debian 13: run inside the machine, once, as root.

Says what it saw, step by step, in result.json; what that should be is for test_kube_play.py to say.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.platforms import facts

SECONDS = 1200.0
"""The longest that anything may take: the machine is slow, and slower if others want the host too."""
IMAGE = "registry.example/resolvtrace"
OLD, NEW = "127.0.0.2", "127.0.0.3"
PROFILE = Path("/etc/containers/resolvtrace.json")
SETTINGS = Path("/etc/containers/containers.conf.d/resolvtrace.conf")
RESOLV_CONF = Path("/var/lib/shop.conf")
ASK = """
import socket, time
while True:
    try:
        socket.getaddrinfo("hat.com", 80)
    except OSError:
        pass
    time.sleep(0.5)
"""
GET = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen("http://127.0.0.1:10953" + sys.argv[1], timeout=120)
    print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(0, error)
"""

Seen = Iterator[tuple[str, Any]]


def run(*argv: str) -> str:
    """Run a command and give what it printed. Raises RuntimeError if it fails."""
    # Podman runs the probes of the manifest by curl, inside the container; the kubelet probes from outside, like this.
    environment = os.environ | {"DISABLE_HC_SYSTEMD": "true"}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=SECONDS, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(test: Callable[[], Any], what: str) -> Any:
    """Wait until a test gives something true; gives that. Raises TimeoutError."""
    deadline = time.monotonic() + SECONDS
    while not (found := test()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.5)
    return found


def steps(exchange: Path) -> Seen:
    """Give what each step has shown."""
    yield "kernel", os.uname().release
    yield "podman", run("podman", "--version").split()[-1]
    Path("/proc/sys/kernel/perf_event_paranoid").write_text("2")  # as deploy/kubernetes/daemonset.yaml requires
    PROFILE.write_text(run("/source/deploy/container/seccomp"))
    SETTINGS.parent.mkdir(parents=True, exist_ok=True)
    SETTINGS.write_text(f'[containers]\nseccomp_profile = "{PROFILE}"\n')
    manifests = exchange / "manifests.yaml"
    (image,) = {word for word in manifests.read_text().split() if word.startswith(IMAGE)}
    yield "loaded", run("podman", "load", "--quiet", "--input", str(exchange / "image.tar"))
    run("podman", "tag", f"localhost/{image.split('/')[-1]}", image)
    yield "played", run("podman", "kube", "play", "--network=none", str(manifests))
    (daemon,) = containers(image)
    yield "ready", wait_for(lambda: get(daemon, "/-/ready").startswith("200"), f"the daemon:\n{logs(daemon)}")
    yield "started", inspected(daemon)
    yield "system", system(daemon)
    yield from left_behind(daemon, image)
    yield "written", run("podman", "diff", daemon).splitlines()
    yield "state", sorted(os.listdir("/var/lib/resolvtrace"))
    yield "log", logs(daemon).splitlines()
    run("podman", "kube", "down", str(manifests))
    yield "left", run("podman", "ps", "--all", "--format={{.Names}}").split()


def system(container: str) -> dict[str, str]:
    """Give what this machine and the image of a container are made of."""
    image = facts.versions(Path(run("podman", "mount", container).strip()))
    machine = facts.versions(Path("/"))["distribution"]
    distribution = f"{machine}, Podman {run('podman', '--version').split()[-1]}; image of {image['distribution']}"
    return {**image, "distribution": distribution, "kernel": os.uname().release}


def containers(image: str) -> list[str]:
    """Name the containers of the image."""
    return run("podman", "ps", f"--filter=ancestor={image}", "--format={{.Names}}").split()


def inspected(name: str) -> dict[str, Any]:
    """Give what the engine made of the manifest."""
    (found,) = json.loads(run("podman", "inspect", name))
    return {
        "capabilities": sorted(found["EffectiveCaps"] or []),
        "read_only": found["HostConfig"]["ReadonlyRootfs"],
        "pid": found["HostConfig"]["PidMode"],
        "mounts": mounts(str(found["State"]["Pid"])),
        "seccomp": status_of(str(found["State"]["Pid"]))["Seccomp"],
        "no_new_privileges": status_of(str(found["State"]["Pid"]))["NoNewPrivs"],
    }


def mounts(pid: str) -> dict[str, bool]:
    """Give /proc/PID/mountinfo: where something is mounted, and whether it can be written to."""
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return {fields[4]: "rw" in fields[5].split(",") for fields in lines}


def status_of(pid: str) -> dict[str, str]:
    """Give /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def logs(name: str) -> str:
    """Give what a container printed."""
    done = subprocess.run(["podman", "logs", name], check=False, capture_output=True, text=True, timeout=SECONDS)
    return done.stdout + done.stderr


def get(name: str, path: str) -> str:
    """Ask the daemon's web server, in its pod's network: status and text."""
    pid = run("podman", "inspect", "--format={{.State.Pid}}", name).strip()
    return run("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", GET, path)


def left_behind(daemon: str, image: str) -> Seen:
    """Let a container miss a change of its resolv.conf."""
    RESOLV_CONF.write_text(f"nameserver {OLD}\n")
    options = ["--network=none", "--env=RES_OPTIONS=no-reload", "--entrypoint=/usr/bin/python3", "--name=shop"]
    volume = f"--volume={RESOLV_CONF}:/etc/resolv.conf"
    shop = run("podman", "run", "--detach", *options, volume, image, "-c", ASK).strip()
    wait_for(lambda: OLD in asked(daemon), "the container to be tracked")
    RESOLV_CONF.write_text(f"nameserver {NEW}\n")
    yield "shop", shop
    name = "resolvtrace_stale_resolver{"
    yield "flag", wait_for(lambda: [line for line in metrics(daemon) if line.startswith(name)], "the flag")
    run("podman", "rm", "--force", "--time=0", "shop")
    yield "cleared", wait_for(lambda: "resolvtrace_stale_processes 0.0" in metrics(daemon), "the flag to be gone")


def asked(daemon: str) -> str:
    """Give the daemon's table."""
    return subprocess.run(
        ["podman", "exec", daemon, "resolvtrace", "check", "--all"],
        check=False, capture_output=True, text=True, timeout=SECONDS,
    ).stdout  # fmt: skip


def metrics(daemon: str) -> list[str]:
    """Give the lines of /metrics."""
    return get(daemon, "/metrics").splitlines()


def main(exchange: Path) -> None:
    """Go through the steps, and write down what they show, even if one fails."""
    seen: dict[str, Any] = {}
    began = time.monotonic()
    try:
        for name, value in steps(exchange):
            seen[name] = value
            print(f"{time.monotonic() - began:6.1f} {name}", flush=True)  # noqa: T201 - to the console
    except Exception:  # noqa: BLE001 - reported outside
        seen["failure"] = traceback.format_exc()
        everybody = subprocess.run(["podman", "ps", "-aq"], check=False, capture_output=True, text=True).stdout.split()
        seen["logs"] = {name: logs(name) for name in everybody}
    finally:
        written = exchange / "result.part"
        written.write_text(json.dumps(seen, indent=1))
        shutil.move(written, exchange / "result.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
