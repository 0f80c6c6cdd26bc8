"""Where a profiled process spent its time, as a table: by package, and by function of ours."""

import contextlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.frame import Options
from benchmarks.servers import ROOT

ROWS = 40


@contextlib.contextmanager
def profiling(options: Options, name: str) -> Iterator[Path | None]:
    """The file for a profiler, printed at the end; None where none is wanted."""
    if not options.profile:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.json"
        yield path
        print(f"\nprofile: {name}")
        report(path)


def report(path: Path) -> None:
    """Print the shares of what was sampled."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    own, below, ours = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        stack, count = [_short(frame) for frame in row["stack"]], row["count"]
        if any("importlib" in frame for frame in stack):
            continue  # the start
        own[_package(stack[-1])] += count
        for name in set(stack):
            below[name] += count
        ours[_innermost_of_ours(stack)] += count
    total = own.total()
    print(f"  {total} samples\n  by package of what runs:")
    for name, count in own.most_common(14):
        print(f"    {count / total * 100:5.1f} %  {name}")
    for title, found in (("innermost function of ours", ours), ("with all that they call", below)):
        print(f"  {title}:")
        for name, count in found.most_common(ROWS):
            print(f"    {count / total * 100:5.1f} %  {name}")


def _short(frame: str) -> str:
    path, _, name = frame.rpartition(":")
    inside = re.sub(r".*/site-packages/|.*/lib/python3\.\d+/", "", path)
    return f"{inside.removeprefix(f'{ROOT}/')}:{name}"


def _package(frame: str) -> str:
    path = frame.rpartition(":")[0]
    parts = path.split("/")
    if parts[0] in ("core", "bots"):
        return "/".join(parts[:2]) if len(parts) > 2 else parts[0]
    return parts[0].removesuffix(".py")


def _innermost_of_ours(stack: Sequence[str]) -> str:
    for frame in reversed(stack):
        if frame.startswith(("core/", "bots/")):
            return frame
    return next((f"({_package(frame)})" for frame in reversed(stack)), "")
