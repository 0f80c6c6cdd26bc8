"""CPU per answer, against a bot that makes the bare SDK calls which the answer needs.

One question each 150 ms, runs of 4-8 s; both bots look at runs in the same rhythm.
"""

from benchmarks.frame import Options, Result
from benchmarks.load import Load, put, questions
from benchmarks.processes import Process, bot, docent
from benchmarks.profile_report import profiling
from benchmarks.servers import Servers

COUNT = 150
EVERY = 0.15  # seconds between two questions
SHORTEST, LONGEST = 4.0, 8.0  # seconds that a run takes
GOAL = 1.5  # of the floor


async def measure(options: Options) -> list[Result]:
    """The floor and Docent, polling and streaming."""
    results = []
    for streamed in (False, True):
        floor, ours = await _floor(options, streamed), await _docent(options, streamed)
        name = "streaming" if streamed else "polling"
        results += [
            Result(
                name=f"{name}: CPU per answer",
                value=ours.cpu_per_answer,
                unit="ms",
                reference=floor.cpu_per_answer,
                goal=GOAL * floor.cpu_per_answer,
            ),
            Result(
                name=f"{name}: looks per answer",
                value=_looks(ours),
                unit="",
                reference=_looks(floor) or None,
            ),
            Result(
                name=f"{name}: calls to Slack per answer",
                value=_slack(ours),
                unit="",
                reference=_slack(floor),
            ),
        ]
    return results


async def _floor(options: Options, streamed: bool) -> Load:
    values = {"STREAMING": "true" if streamed else "false"}
    async with Servers.start() as servers, bot(servers, "floor_bot", **values) as process:
        return await _put(servers, process, options, streamed)


async def _docent(options: Options, streamed: bool) -> Load:
    streaming = "true" if streamed else "false"
    with profiling(options, f"floor, {'streaming' if streamed else 'polling'}") as profile:
        async with (
            Servers.start() as servers,
            docent(servers, profile=profile, STREAMING=streaming) as process,
        ):
            return await _put(servers, process, options, streamed)


async def _put(servers: Servers, process: Process, options: Options, streamed: bool) -> Load:
    count = 20 if options.quick else COUNT
    asked = questions(count, SHORTEST, LONGEST, streamed=streamed)
    return await put(servers, process, asked, every=EVERY)


def _looks(load: Load) -> float:
    return sum(row.looks for row in load.rows) / len(load.rows)


def _slack(load: Load) -> float:
    made = sum(count for name, count in load.calls.items() if not name.startswith("OpenAI"))
    return made / len(load.rows)
