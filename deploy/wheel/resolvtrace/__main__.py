"""``python3 -m resolvtrace``: the command, where no script of that name is on the path."""

import sys

from resolvtrace import main

sys.exit(main())
