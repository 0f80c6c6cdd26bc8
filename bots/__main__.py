"""`python -m bots`: the command line from a checkout, where the project itself is not installed."""

import sys

from bots.cli import main

sys.exit(main())
