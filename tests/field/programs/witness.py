"""Look a name up through the C library, for ever."""

import socket
import sys
import time

while True:
    try:
        socket.gethostbyname(sys.argv[1])
    except OSError:
        pass
    time.sleep(0.2)
