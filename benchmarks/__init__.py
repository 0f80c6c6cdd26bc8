"""What Docent costs, measured: `make bench`. How to write a benchmark: `benchmarks/frame.py`."""

import sys
from pathlib import Path

# The loopback servers of the tests are `servers`, as the tests import them.
sys.path.insert(1, str(Path(__file__).parents[1] / "tests"))
