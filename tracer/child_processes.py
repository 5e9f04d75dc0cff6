"""The processes that work for the daemon.

Each holds, for as long as it runs, what the daemon held when it was forked: so they are made first.
"""

from __future__ import annotations

from tracer.kernel.loader_process import LoaderProcess
from tracer.observe.root_readers import RootReaders
from tracer.observe.watched_paths import WatchedPaths


class ChildProcesses:
    """The loader and the root readers, with the paths that these watch for the daemon.

    Start them before any thread, and before imports that they do not need.
    """

    def __init__(self) -> None:
        self.loader = LoaderProcess()
        self.watched_paths = WatchedPaths()
        inotify = self.watched_paths.descriptor
        self.root_readers = RootReaders((inotify,) if inotify >= 0 else ())

    def close(self) -> None:
        """End them."""
        self.loader.close()
        self.root_readers.close()
        self.watched_paths.close()
