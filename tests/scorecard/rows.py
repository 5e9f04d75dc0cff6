"""All rows, in the order of the page."""

from __future__ import annotations

from scorecard.processes import PROCESSES, SYSTEM_CALLS
from scorecard.sockets import ADDRESSES, DATAGRAMS, STREAMS
from scorecard.untold import UNTOLD

ROWS = (*DATAGRAMS, *STREAMS, *ADDRESSES, *SYSTEM_CALLS, *PROCESSES, *UNTOLD)
