"""`docent forget`: erase what a person wrote, here and at the engine."""

import argparse
import sys
from dataclasses import replace

from bots.app import assemble, open_store
from bots.cli import EXIT_CONFIG, EXIT_FAILED
from bots.commands.yes_or_no import agrees
from core.config import load_settings
from core.forgetting import Forgetting
from core.log import set_up_logging
from core.settings import Settings
from core.store import Store
from core.store.people import Traces


async def main(options: argparse.Namespace) -> int:
    """Erase, after asking; 1 where something is still to be erased, or was not to be."""
    settings = load_settings()
    set_up_logging("ERROR", settings.log_format)
    platform, _, user = options.user.partition(":")
    async with open_store(settings, must_exist=True) as store:
        traces = await store.people.traces(platform, user)
        there_is = traces.questions or traces.verdicts
        if not there_is:
            print(f"Nothing of {options.user} is in the database.")
        elif options.dry_run:
            print(f"There is of {options.user}: {_in_words(traces)}.")
        elif not options.yes and (code := _refused(options.user, traces)):
            return code
        if options.dry_run:
            return 0
        traces = await store.people.forget(platform, user)
        if there_is:
            print(f"Forgotten of {options.user}: {_in_words(traces)}.")
        return await _erase(settings, store, options.user)


def _refused(user: str, traces: Traces) -> int:
    """Ask whether to go on; 0 where that is wanted, else the exit code."""
    if not sys.stdin.isatty():
        print(f"Nothing was erased. Add --yes to erase {_in_words(traces)}.", file=sys.stderr)
        return EXIT_CONFIG
    if agrees(f"Erase of {user}: {_in_words(traces)}? This cannot be undone."):
        return 0
    print("Nothing was erased.")
    return EXIT_FAILED


async def _erase(settings: Settings, store: Store, user: str) -> int:
    """Have the engine erase what it keeps; the exit code."""
    # No documentation is needed for that, so no problem with its sources may stand in the way.
    settings = replace(settings, docs_sources=())
    async with assemble(settings, store, []) as docent:
        engine = docent.engine.name
        problem = await Forgetting(store=store, engine=docent.engine).erase()
    left = await store.erasures.count()
    for name, count in left.items():
        if name == engine:
            reason = problem or "It was done by halves."
        else:
            reason = f"The engine is {engine} at present: set ENGINE={name}, and what that needs."
        print(
            f"At {name}, {_counted(count, 'erasure')} to be done yet. {reason} "
            f"Then run `docent forget --user {user}` again.",
            file=sys.stderr,
        )
    if left:
        return EXIT_FAILED
    print("The engine keeps nothing that was to be erased.")
    return 0


def _in_words(traces: Traces) -> str:
    """Write `3 questions in 2 threads, 1 of them waiting for an answer, 2 conversations`."""
    parts = [f"{_counted(traces.questions, 'question')} in {_counted(traces.threads, 'thread')}"]
    if traces.waiting:
        parts.append(f"{traces.waiting} of them waiting for an answer")
    parts.append(_counted(traces.conversations, "conversation"))
    if traces.verdicts:
        parts.append(_counted(traces.verdicts, "verdict"))
    return ", ".join(parts)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
