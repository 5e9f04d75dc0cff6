"""All rows, in the order of the page."""

from __future__ import annotations

from tests.scorecard.processes import PROCESSES, SYSTEM_CALLS
from tests.scorecard.sockets import ADDRESSES, DATAGRAMS, STREAMS
from tests.scorecard.uncertain import UNCERTAIN

ROWS = (*DATAGRAMS, *STREAMS, *ADDRESSES, *SYSTEM_CALLS, *PROCESSES, *UNCERTAIN)
