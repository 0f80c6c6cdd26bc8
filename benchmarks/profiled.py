"""Runs a module under a sampler: python -m benchmarks.profiled FILE -m MODULE …

Each few milliseconds of processor time it notes which functions stand on the main thread's stack.
Unlike cProfile it does not make what is measured slower.
"""

import atexit
import collections
import json
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType

EVERY = 0.002  # seconds of processor time
counts: collections.Counter[tuple[str, ...]] = collections.Counter()


def sample(_: int, frame: FrameType | None) -> None:
    """Note where the main thread is."""
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append(f"{code.co_filename}:{code.co_qualname}")
        frame = frame.f_back
    counts[tuple(reversed(stack))] += 1


def write(path: Path) -> None:
    """Write what was noted."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    rows = [{"stack": stack, "count": count} for stack, count in counts.most_common()]
    path.write_text(json.dumps(rows), encoding="utf-8")


def main() -> None:
    """Run what the arguments name."""
    path, module = Path(sys.argv[1]), sys.argv[3]
    sys.argv = sys.argv[3:]
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    atexit.register(write, path)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
