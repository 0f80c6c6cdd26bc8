"""`python -m benchmarks`: run them, print a table, and say what has become worse.

Exits with 0 whatever was measured: what is worse, gone or missed is said at the end.
"""

import argparse
import asyncio
import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import record
from benchmarks.frame import Options, Result, benchmarks
from benchmarks.table import print_goals, print_results, print_worse

FOLDER = Path(__file__).parent


def main() -> None:
    """Run what the command line asks for."""
    if sys.platform != "linux":
        sys.exit("The benchmarks need Linux: they read processor time and memory from /proc.")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in benchmarks()]
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        metavar="NAME",
        help=f"run this one; several times for several of {', '.join(names)}",
    )
    parser.add_argument("--quick", action="store_true", help="a short version, not recorded")
    parser.add_argument("--record", action="store_true", help="compare later ones with it")
    parser.add_argument("--profile", action="store_true", help="say where Docent's time goes")
    given = parser.parse_args()
    if given.record and (given.quick or given.profile):
        parser.error("a short or a profiled run says nothing that is worth a record")
    options = Options(quick=given.quick, profile=given.profile)
    asyncio.run(run(given.only or names, options, to_record=given.record))


async def run(names: list[str], options: Options, *, to_record: bool) -> None:
    """Run these benchmarks, one after the other."""
    results: dict[str, list[Result]] = {}
    machines = {}
    for benchmark in benchmarks():
        if benchmark.name not in names:
            continue
        began = time.monotonic()
        machines[benchmark.name] = _machine()
        results[benchmark.name] = found = await benchmark.measure(options)
        print_results(benchmark, found, time.monotonic() - began)
    if not (options.quick or options.profile):  # they say nothing that can be compared
        _compare(results)
        record.save(record.LATEST, results, machines)
        if to_record:
            record.save(record.RECORDED, results, machines)
    print_goals(results)


def _compare(results: record.Results) -> None:
    left_out = {benchmark.name for benchmark in benchmarks()} - set(results)
    known = record.load(record.RECORDED)
    before = {name: found for name, found in known.items() if name not in left_out}
    print_worse(record.worse(before, results), record.vanished(before, results))


def _machine() -> dict[str, object]:
    """On what, of what, and when it is measured."""
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _commit() -> str | None:
    """What is checked out, shortly; None where no git knows."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


if __name__ == "__main__":
    main()
