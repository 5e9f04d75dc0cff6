"""The probes at work: what the daemon holds once the loader is gone.

Queries are added up in the kernel for two ticks apart. Each tick turns to the other half, waits until every program
that was under way is done, and takes the first one empty: what a tick costs depends on what was queried in it, and on
nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator

from tracer.kernel import libbpf, programs, records
from tracer.kernel.graceperiod import GracePeriod
from tracer.kernel.health import MapHealth, ProbeHealth
from tracer.kernel.loader_process import LoaderProcess
from tracer.kernel.steady import SteadyPairs

_HEALTH_SECONDS = 10
_LEAST_SUSPEND = 1_000_000


def _boot_offset() -> int:
    """Give what CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time that the machine was suspended.

    On one that never was, what lies between the two readings is no difference.
    """
    offset = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return offset if abs(offset) > _LEAST_SUSPEND else 0


_CHANGES = 4096
"""Places in the map `acted` (bpf/maps.h, CHANGES)."""


def _file_id(device: int, inode: int) -> bytes:
    """Make a key of the map `view_files`."""
    return inode.to_bytes(8, "little") + device.to_bytes(8, "little")


class Probes:
    """Loaded programs, their maps and their ring."""

    def __init__(self, loader: LoaderProcess, capacities: programs.Capacities, stopped: Callable[[], bool]) -> None:
        """Let the loader begin. ``stopped``: see :class:`tracer.engine.Tracer`."""
        self._loader = loader
        self._stopped = stopped
        loader.load(capacities)
        self._attachments: list[int] = []
        self._ring: libbpf.RingBuffer | None = None

    def wait_until_loaded(self) -> None:
        """Take over what the loader has loaded: forks are followed from now on. Raises ResolvtraceError."""
        received = self._loader.receive(self._stopped)
        message = received.message
        self.bcc: str = message["bcc"]
        self.missing: dict[str, str] = message["missing"]
        self.attached: set[str] = set(message["attached"])
        attachments = len(message["attached"])
        handles = iter(received.descriptors)
        self._attachments = [next(handles) for _ in range(attachments)]
        self._programs = {name: next(handles) for name in message["programs"]}
        maps = {name: libbpf.Map(next(handles), *layout) for name, layout in message["maps"].items()}
        self._maps: dict[str, libbpf.Map] = maps
        self.processes = maps["processes"]
        self._tick = 0
        self._slots = libbpf.Array(maps["slots"])
        self._grace_period = GracePeriod(maps["control"])
        self.steady = SteadyPairs(maps["steady"])
        self._slots_a_tick = maps["slots"].capacity // 2
        self._acted = libbpf.Array(maps["acted"])
        self._view_files: set[tuple[int, int]] = set()
        self._half = 1
        self._resting = False
        self._mounted = False
        self.adopted = 0
        self._not_entered = 0
        self._queries_taken = 0
        self._processes_counted = 0
        self._health: tuple[ProbeHealth, ...] = ()
        self._health_at = float("-inf")
        # As it was at the last tick: after a suspend what was queried before it must not seem later than it was.
        self._offset = _boot_offset()

    def listen(self, receive: Callable[[records.Record], None]) -> int:
        """Begin to take records; gives the descriptor that is readable when there are some."""

        def take(data: bytes) -> None:
            match records.parse_wake(data):
                case None:
                    receive(records.parse_record(data).shifted(self._offset))
                case records.Wake.MOUNTED:
                    self._mounted = True

        self._ring = libbpf.RingBuffer(self._maps["records"].descriptor, take)
        return self._ring.epoll_descriptor

    def consume(self) -> None:
        """Hand over every record that is there."""
        if self._ring:
            self._ring.consume()

    def await_mount(self) -> bool:
        """Let the next mount or unmount on the machine make the descriptor of :meth:`listen` readable.

        Gives whether there was one since the last call.
        """
        mounted = bool(self._read_control(records.Control.MOUNTED))
        if mounted:
            self._control(records.Control.MOUNTED, 0)
        return mounted

    def take_mounted(self) -> bool:
        """Tell whether one made it readable, now that :meth:`consume` has been called."""
        mounted, self._mounted = self._mounted, False
        return mounted

    @property
    def reports_mounts(self) -> bool:
        """Whether the programs that see mounts are attached."""
        return self.attached >= programs.SEE_MOUNTS

    def start_counting(self) -> None:
        """Attach the programs that count queries, and wait for the loader to end. Raises ResolvtraceError."""
        self._loader.attach()
        received = self._loader.receive(self._stopped)
        self._attachments += received.descriptors
        self.attached |= set(received.message["links"])
        self.adopted = received.message["adopted"]
        self._loader.finish()

    def turn(self) -> None:
        """Let the programs count in the other half from now on."""
        self.steady.before_grace_period()
        self._half = self._tick & 1
        self._tick += 1
        if self._resting:
            self._rest(resting=False)
        self._control(records.Control.TICK, self._tick)

    def wait_for_programs(self) -> None:
        """Return when no program counts for the tick that :meth:`turn` ended any more. In any thread."""
        self._grace_period.wait()

    def take_queries(self) -> Iterator[tuple[records.QueryKey, records.Queries]]:
        """Take what was counted until the last :meth:`turn`; call :meth:`wait_for_programs` in between."""
        self._queries_taken = 0
        for key, queries in self._take_counted():
            self._queries_taken += 1
            yield key, queries.shifted(self._offset) if self._offset else queries
        self._offset = _boot_offset()

    def _take_counted(self) -> Iterator[tuple[records.QueryKey, records.Queries]]:
        after = self._take_control(records.Control.LAST_TAKEN)
        while after:
            slot = after - 1
            after, key, queries = records.parse_slot(self._slots.get(slot))
            yield key, queries
            self._slots.put_begin(slot, records.FREE_SLOT)
        if self._take_control(records.Control.MAP_ENTRIES):
            for entry, value in self._maps[f"overflow{self._half}"].drain():
                yield records.parse_query_key(entry), records.parse_queries(value)

    def has_counted(self) -> bool:
        """Tell whether anything was counted since the last :meth:`turn`."""
        half = self._tick & 1
        return any(
            self._read_control(what + half) for what in (records.Control.LAST_TAKEN, records.Control.MAP_ENTRIES)
        )

    def rest(self) -> bool:
        """Let the first query that is counted make the descriptor of :meth:`listen` readable.

        That ends with the next :meth:`turn`. False if one was counted since the last.
        """
        if not self._resting:
            self._rest(resting=True)
        return not self.has_counted()

    def _rest(self, *, resting: bool) -> None:
        self._resting = resting
        self._control(records.Control.RESTING, resting)

    def _control(self, what: int, value: int) -> None:
        self._maps["control"].put(what.to_bytes(4, "little"), value.to_bytes(8, "little"))

    def _take_control(self, what: records.Control) -> int:
        """Read what was counted for the half that is taken, and begin it again."""
        index = what + self._half
        number = self._read_control(index)
        if number:
            self._control(index, 0)
        return number

    def _read_control(self, index: int) -> int:
        return int.from_bytes(self._maps["control"].get(index.to_bytes(4, "little")) or b"", "little")

    def steady_counts(self, place: int) -> records.Counts:
        """Tell what was counted in a place of :attr:`steady` so far."""
        return self.steady.counts(place).shifted(self._offset)

    def process(self, pid: int) -> records.KernelProcess | None:
        """Look a process up in the lineage."""
        value = self.processes.get(pid.to_bytes(4, "little"))
        return records.parse_process(value) if value else None

    def all_processes(self) -> Iterator[tuple[int, records.KernelProcess]]:
        """Give the whole lineage. Costs in proportion to the processes of the machine: for rare events."""
        self._processes_counted = 0
        for key, value in self.processes.items():
            self._processes_counted += 1
            yield int.from_bytes(key, "little"), records.parse_process(value)

    def enter(self, pid: int, process: records.KernelProcess) -> None:
        """Set a process's entry in the lineage."""
        if not self.processes.put(pid.to_bytes(4, "little"), records.pack_process(process)):
            self._not_entered += 1

    def image_path(self, image: int) -> str | None:
        """Give the file that was executed, as it was named then; None where that is not kept any more."""
        value = self._maps["images"].get(image.to_bytes(8, "little")) if image else None
        return records.text(value) if value else None

    def set_view_files(self, files: set[tuple[int, int]]) -> None:
        """Say which files are some view's resolv.conf, by device, as the kernel numbers it, and inode."""
        if files == self._view_files:
            return
        view_files = self._maps["view_files"]
        for file in self._view_files - files:
            view_files.delete(_file_id(*file))
        for file in files - self._view_files:
            self._not_entered += not view_files.put(_file_id(*file), (1).to_bytes(4, "little"))
        self._view_files = files

    def follow(self, pids: Iterable[int]) -> None:
        """Let the programs report the exec and the exit of these, though they have not acted."""
        for pid in pids:
            self._acted.put_begin(pid % _CHANGES, (1).to_bytes(4, "little"))

    def keep_acted(self, pids: Iterable[int]) -> None:
        """Let the programs look into these processes only, which may have acted or are followed."""
        places = {pid % _CHANGES for pid in pids}
        for place in range(_CHANGES):
            if place not in places and self._acted.get(place)[0]:
                self._acted.put_begin(place, bytes(4))

    def readable(self) -> bool:
        """Whether the kernel lets this process read the maps that it holds."""
        return self._maps["losses"].get(bytes(4)) is not None

    def losses(self) -> dict[str, int]:
        """Count what the programs could not record, by reason."""
        counts = {}
        for loss in records.Loss:
            value = self._maps["losses"].get(int(loss).to_bytes(4, "little"))
            counts[loss.name.lower()] = int.from_bytes(value or b"", "little")
        counts["processes_full"] += self._not_entered
        return counts

    def health(self) -> tuple[ProbeHealth, ...]:
        """Tell which probes are attached, and what the kernel counted of them within the last ten seconds."""
        if time.monotonic() - self._health_at > _HEALTH_SECONDS:
            self._health_at = time.monotonic()
            self._health = tuple(
                ProbeHealth(name, name in self.attached, *self._run_counts(name), required=name in programs.REQUIRED)
                for name in programs.NAMES
            )
        return self._health

    def _run_counts(self, name: str) -> tuple[int | None, float | None]:
        descriptor = self._programs.get(name)
        return libbpf.run_counts(descriptor) if descriptor is not None else (None, None)

    def map_health(self) -> tuple[MapHealth, ...]:
        """Tell how full the maps are that can be full: the processes by walking the keys, the rest as last taken."""
        return (
            MapHealth("processes", self._processes_counted, self.processes.capacity),
            MapHealth("queries", self._queries_taken, self._slots_a_tick + self._maps["overflow0"].capacity),
            MapHealth("steady", self.steady.used, self._maps["steady"].capacity),
        )

    @property
    def ready(self) -> bool:
        """Whether every required probe is attached."""
        return self.attached >= programs.REQUIRED

    def close(self) -> None:
        """Detach everything."""
        if self._ring:
            self._ring.close()
            self._ring = None
            self._slots.close()
            self.steady.close()
            self._acted.close()
            self._grace_period.close()
        self.detach()

    def detach(self) -> None:
        """Detach everything: from now on nothing is counted any more."""
        for descriptor in self._attachments:
            os.close(descriptor)
        self._attachments.clear()
