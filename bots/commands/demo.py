"""`docent demo`: the main job without account or key, over this project's own manual."""

import argparse
import asyncio
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from bots.app import Docent, assemble, open_store
from bots.commands.chat import answering
from bots.commands.demo_tool import show_tool
from bots.refresh_text import summary
from bots.serving import stop_on_signals
from bots.terminal_bot.adapter import TerminalPlatform
from bots.terminal_bot.events import HELP, USER
from bots.terminal_bot.progress import showing_progress
from bots.terminal_bot.screen import open_screen
from bots.waiting import work_until
from core.errors import ConfigError
from core.log import set_up_logging
from core.replies import DEFAULT_FALLBACK
from core.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
THREADS = (
    (
        "A thread: a question, and a follow-up that only the thread explains",
        ("How do I connect Docent to Slack?", "And which token does it need?"),
    ),
    (
        "A second thread, with a memory of its own",
        ("How often is the documentation refreshed?",),
    ),
    (
        "A question that the documentation does not answer: the fallback",
        ("What is the weather like in Paris today?",),
    ),
)


async def main(options: argparse.Namespace) -> int:
    """Read the manual, ask what is in THREADS, and leave a person at the prompt."""
    if not DOCS.is_dir():
        raise ConfigError(["The demo answers from the folder docs/: run it in a checkout."])
    set_up_logging("WARNING", "text")
    # Not the operator's settings: the demo must work whatever the environment holds.
    settings = Settings(
        engine="local",
        database_url="sqlite:///data/demo.db",
        docs_sources=(str(DOCS),),
        fallback_message=DEFAULT_FALLBACK,
        channels_file="",
    )
    stop = asyncio.Event()
    screen = open_screen(stop)
    platform = TerminalPlatform(screen)
    async with (
        open_store(settings) as store,
        assemble(settings, store, [platform]) as docent,
    ):
        with stop_on_signals(stop):
            await work_until(stop, _read_docs(docent, screen))
            async with answering(docent, stop):
                await _ask_questions(docent, platform, screen, stop)
                if not stop.is_set():
                    await show_tool(screen, USER)
                shown = not stop.is_set()
                if shown and platform.interactive:
                    screen.print(Rule("Your turn"))
                    screen.print(f"Ask something else. {HELP}", markup=False)
                    await platform.run(docent.desk, stop, asyncio.Event())
    if shown:
        _say_what_next(screen)
    else:
        screen.print()
    return int(screen.gone)


async def _read_docs(docent: Docent, console: Console) -> None:
    console.print(Rule("Reading the documentation in docs/"))
    with showing_progress(console) as on_progress:
        report = await docent.refresher.refresh(on_progress)
    console.print(summary(report), markup=False, highlight=False)


async def _ask_questions(
    docent: Docent, platform: TerminalPlatform, console: Console, stop: asyncio.Event
) -> None:
    for number, (title, questions) in enumerate(THREADS):
        if stop.is_set():
            return
        console.print()
        console.print(Rule(title))
        if number:
            platform.new_thread()
        for question in questions:
            if stop.is_set():
                return
            console.print(f"\n> {question}", style="bold", markup=False)
            await platform.ask(docent.desk, question, stop)


def _say_what_next(console: Console) -> None:
    console.print()
    console.print(Rule("What next"))
    console.print(
        "This was the local engine, which shows passages; with OPENAI_API_KEY, answers are written."
    )
    console.print("A model calls tools by itself, as far as you let it: docs/tools.md.")
    console.print("README.md says how to connect Slack and Discord.")
