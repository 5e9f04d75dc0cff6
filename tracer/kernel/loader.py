"""The child that loads the programs, hands every descriptor over, and exits.

Compiler, bcc and pyroute2 cost some 40 MB and are needed for a second: they live in this process only, and the
daemon never imports them. Two steps, so that nothing is missed: first the lineage (fork, exec, exit) is followed;
then, when the daemon has entered the processes that ran before, the queries.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tracer.errors import ResolvtraceError
from tracer.kernel import btf_offsets, cgroup_attachments, feature_probes, filesystems, libbpf, programs, records
from tracer.kernel.bcc_package import INSTALL_BCC
from tracer.kernel.words import Words

# enum bpf_func_id, linux/bpf.h
_ON_CURRENT_TASK = (14, 15, 80)  # bpf_get_current_pid_tgid, _uid_gid, _cgroup_id
_GET_NETNS_COOKIE = 122
_ORDER_BYTES = 4096
_FLAGS = ("-g0",)
"""No types for debuggers (BTF): they take an eighth of the compiler's time."""


def send(channel: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
    """Send one message, with descriptors, in one packet."""
    socket.send_fds(channel, [json.dumps(message).encode()], descriptors)


def run(channel: socket.socket, words: Words) -> None:
    """Do the loader's work in a child process that ends with it. Never returns.

    It gets ready, and waits for the sizes: if the daemon exits instead, so does it.

    It leaves through os._exit: bcc's own clean-up would detach what was just handed over.
    """
    status = 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        bcc = _import_bcc()
        if order := channel.recv(_ORDER_BYTES):
            _load(channel, bcc, programs.Capacities(**json.loads(order)), words)
        status = 0
    except ResolvtraceError as error:
        send(channel, {"problem": error.problem, "remedy": error.remedy}, [])
    except Exception as error:  # noqa: BLE001 - whatever it was, the daemon must hear of it
        send(channel, {"problem": f"loading failed: {error}", "remedy": traceback.format_exc()}, [])
    finally:
        sys.stderr.flush()
        os._exit(status)


def _import_bcc() -> Any:
    # BCC takes these eight small files for the kernel's headers (bpf/include).
    os.environ["BCC_KERNEL_SOURCE"] = str(programs.SOURCE)
    try:
        import bcc  # noqa: PLC0415 - this child's alone
    except ImportError as error:
        raise ResolvtraceError(f"bcc cannot be imported ({error})", INSTALL_BCC) from error
    return bcc


def _load(channel: socket.socket, bcc: Any, capacities: programs.Capacities, words: Words) -> None:
    tracefs = filesystems.require_tracefs()
    place = filesystems.require_cgroup2()
    cgroup = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    module = _Module(bcc, tracefs, capacities, words)
    tracepoints, missing = module.attach_tracepoints()
    programs_of_cgroup = {program.name: module.load_cgroup_program(program) for program in programs.CGROUP_PROGRAMS}
    names = [*tracepoints, *programs_of_cgroup]
    send(
        channel,
        {
            "bcc": module.version,
            "missing": missing,
            "attached": list(tracepoints),
            "programs": names,
            "maps": module.map_layouts(),
        },
        [
            *(tracepoints[name][1] for name in tracepoints),
            *(tracepoints[name][0] for name in tracepoints),
            *programs_of_cgroup.values(),
            *module.map_descriptors(),
        ],
    )
    # It imports pyroute2, this child's alone: a tenth of a second, while the daemon begins with what it was sent, and
    # in memory that the compiler has given back. And it enters each network namespace: who looks at this process must
    # not take it for one of theirs.
    apart = ThreadPoolExecutor(1)
    open_connections = apart.submit(import_module, "tracer.kernel.open_connections")
    if not channel.recv(_ORDER_BYTES):
        return
    links = []
    for program in programs.CGROUP_PROGRAMS:
        try:
            links.append(libbpf.create_link(programs_of_cgroup[program.name], cgroup, program.attach_type))
        except OSError as error:
            raise _refused_attachment(program.name, error, place) from error
    adopted = apart.submit(open_connections.result().adopt, module.map("processes"), module.map("connectors")).result()
    send(channel, {"links": [program.name for program in programs.CGROUP_PROGRAMS], "adopted": adopted}, links)


def _refused() -> ResolvtraceError:
    return ResolvtraceError(
        "the kernel refuses to load BPF programs (EPERM), though the capabilities are there",
        "kernel lockdown, a security module or a container's seccomp filter forbids it: start it outside of that",
    )


def _refused_attachment(name: str, error: OSError, cgroup: Path) -> ResolvtraceError:
    if error.errno == errno.EPERM:
        with suppress(OSError):  # without the right to attach there is none to query either
            if holders := cgroup_attachments.sole_holders(str(cgroup)):
                return ResolvtraceError(cgroup_attachments.described(holders), cgroup_attachments.REMEDY)
        return ResolvtraceError(f"the kernel refuses program {name} on the root cgroup (EPERM)", "needs CAP_NET_ADMIN")
    return ResolvtraceError(
        f"cannot attach {name} to the root cgroup ({error.strerror})", "needs CONFIG_CGROUP_BPF, Linux 6.1 or later"
    )


def _macros(values: dict[str, int]) -> list[str]:
    return [f"-D{name}={value}" for name, value in values.items()]


class _Module:
    """What BCC made of bpf/."""

    def __init__(self, bcc: Any, tracefs: Path, capacities: programs.Capacities, words: Words) -> None:
        self._library = bcc.libbcc.lib
        self._bpf_class = bcc.BPF
        self._tracefs = tracefs
        self.version: str = bcc.__version__
        bcc.BPF._trace_autoload = lambda _: None  # noqa: SLF001 - attaching is ours: in order, and some are optional
        self._words = words
        begin = words.position()
        try:
            self._bpf = bcc.BPF(text=programs.source_text(), cflags=[*_FLAGS, *capacities.macros(), *self._features()])
        except Exception as error:
            said = words.text(begin)
            if "not permitted" in said:
                raise _refused() from error
            if "bpf map" in said:
                raise ResolvtraceError(
                    f"the kernel does not make the maps: {said}", "lower what [capacity] asks for"
                ) from error
            raise ResolvtraceError(
                f"the probes do not compile: {said}", "report this, with what resolvtrace --version says"
            ) from error
        self._check_layouts()

    def _features(self) -> list[str]:
        flags = []
        exit_format = self._tracefs / "events/sched/sched_process_exit/format"
        if "group_dead" in exit_format.read_text():
            flags.append("-DEXIT_TELLS_GROUP_DEAD")
        flags += sorted({f"-D{point.macro}" for point in programs.TRACEPOINTS if point.macro and self._exists(point)})
        if not all(
            feature_probes.knows_helper(programs.BPF_PROG_TYPE_CGROUP_SKB, helper) for helper in _ON_CURRENT_TASK
        ):
            flags += _macros(btf_offsets.offsets(btf_offsets.TASK))
        with suppress(ResolvtraceError):  # without them resolv.conf is known by its usual name alone
            flags += _macros(btf_offsets.offsets(btf_offsets.FILE))
        tells = feature_probes.knows_helper(programs.BPF_PROG_TYPE_CGROUP_SKB, _GET_NETNS_COOKIE)
        # All programs or none: a nameserver must not appear twice, with its network namespace and without.
        return [*flags, "-DNETNS_COOKIE(context)=" + ("bpf_get_netns_cookie(context)" if tells else "0")]

    def _exists(self, point: programs.Tracepoint) -> bool:
        return (self._tracefs / "events" / point.category / point.name).is_dir()

    def _check_layouts(self) -> None:
        described = {
            "process": self._bpf["processes"].Leaf,
            "query_key": self._bpf["overflow0"].Key,
            "queries": self._bpf["overflow0"].Leaf,
            "slot": self._bpf["slots"].Leaf,
            "connector": self._bpf["connectors"].Leaf,
        }
        described["subject"] = {name: kind for name, kind, *_ in described["queries"]._fields_}["subject"]
        for name, structure in described.items():
            fields = tuple(field for field, *_ in structure._fields_ if not field.startswith(("unused", "__pad")))
            size = records.SIZES.get(name, ctypes.sizeof(structure))
            if fields != records.FIELDS[name] or ctypes.sizeof(structure) != size:
                raise ResolvtraceError(
                    f"bpf/records.h and tracer/kernel/records.py differ in {name}", "bring the two to the same fields"
                )

    def attach_tracepoints(self) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
        """Attach what there is. Gives (program, attachment) by name, and why the others are missing."""
        attached: dict[str, tuple[int, int]] = {}
        missing: dict[str, str] = {}
        for point in programs.TRACEPOINTS:
            if not self._exists(point):
                missing[point.name] = "this kernel has no such tracepoint"
                continue
            program = self._load(point.function, self._bpf_class.TRACEPOINT, -1)
            descriptor = self._library.bpf_attach_tracepoint(program, point.category.encode(), point.name.encode())
            if descriptor < 0:
                missing[point.name] = os.strerror(ctypes.get_errno())
            else:
                attached[point.name] = (program, descriptor)
        return attached, missing

    def load_cgroup_program(self, program: programs.CgroupProgram) -> int:
        """Load one, without attaching it."""
        return self._load(program.function, program.program_type, program.attach_type)

    def _load(self, function: str, program_type: int, attach_type: int) -> int:
        begin = self._words.position()
        try:
            return int(self._bpf.load_func(function.encode(), program_type, None, attach_type).fd)
        except Exception as error:
            if "privileges" in str(error):
                raise _refused() from error
            raise ResolvtraceError(
                f"the kernel refuses program {function}: {self._words.text(begin)}",
                "report this, and the kernel's version",
            ) from error

    def map(self, name: str) -> libbpf.Map:
        """Give one map."""
        table = self._bpf[name]
        return libbpf.Map(table.map_fd, ctypes.sizeof(table.Key), ctypes.sizeof(table.Leaf), table.max_entries)

    def map_layouts(self) -> dict[str, tuple[int, int, int]]:
        """Give sizes of key and value, and capacity, by name; the ring has neither."""
        layouts = {}
        for name in programs.MAPS:
            if name == "records":
                layouts[name] = (0, 0, 0)
            else:
                table = self.map(name)
                layouts[name] = (table.key_bytes, table.value_bytes, table.capacity)
        return layouts

    def map_descriptors(self) -> list[int]:
        """Give the descriptors, in the order of MAPS."""
        return [int(self._library.bpf_table_fd(self._bpf.module, name.encode())) for name in programs.MAPS]
