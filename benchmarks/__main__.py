"""`python -m benchmarks`: run them, print a table, and say what has become worse."""

import argparse
import asyncio
import datetime
import os
import platform
import time

from benchmarks import record
from benchmarks.frame import Options, benchmarks
from benchmarks.table import print_results, print_worse


def main() -> None:
    """Run what the command line asks for."""
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
    results = {}
    for benchmark in benchmarks():
        if benchmark.name not in names:
            continue
        began = time.monotonic()
        results[benchmark.name] = found = await benchmark.measure(options)
        print_results(benchmark, found, time.monotonic() - began)
    if options.quick or options.profile:
        return  # says nothing that can be compared
    print_worse(record.worse(record.load(record.RECORDED), results))
    record.save(record.LATEST, results, _machine())
    if to_record:
        record.save(record.RECORDED, results, _machine())


def _machine() -> dict[str, object]:
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


if __name__ == "__main__":
    main()
