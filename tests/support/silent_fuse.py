"""A file system in user space that is mounted and then never answers: ``python silent_fuse.py DIRECTORY``.

It takes every request and replies to the first alone, FUSE_INIT (linux/fuse.h); whoever walks into the directory waits
until this process is gone.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_HEADER = struct.Struct("=IIQQIIII")  # fuse_in_header
_REPLY = struct.Struct("=IiQ")  # fuse_out_header
_INIT_REPLY = struct.Struct("=IIIIHHIIHH32x")
_MOST_BYTES = 1 << 20


def mount(directory: str) -> int:
    """Mount it; gives the descriptor that requests come from."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"silent", os.fsencode(directory), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"mount fuse on {directory}")
    return device


def serve(device: int) -> None:
    """Answer that it is there, and nothing more."""
    request = os.read(device, _MOST_BYTES)
    unique = _HEADER.unpack_from(request)[2]
    answer = _INIT_REPLY.pack(7, 31, 0, 0, 0, 0, 4096, 1, 0, 0)
    os.write(device, _REPLY.pack(_REPLY.size + len(answer), 0, unique) + answer)
    while True:
        os.read(device, _MOST_BYTES)


if __name__ == "__main__":
    mounted = mount(sys.argv[1])
    print("mounted", flush=True)  # noqa: T201 - who started it waits for this
    serve(mounted)
