"""The command line. Each command is a module of `bots/commands`, loaded only when it is called."""

import argparse
import asyncio
import importlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from bots.garbage import no_search
from bots.streams import is_output_lost, prepare_streams, tell_lost
from core.errors import ConfigError, DocentError
from core.platform_ids import ASKER, PLATFORMS
from core.setting_reader import parse_duration

EXIT_FAILED = 1
EXIT_CONFIG = 2  # as argparse's own for a wrong argument
EXIT_INTERRUPTED = 130  # as of every program that Ctrl-C ended

ROLES = (*PLATFORMS, "worker")

PRINTING = ("chat", "docs", "doctor", "eval", "manifest", "report")  # and nothing else of use

COMMANDS = {
    "run": "serve Slack, Discord or both",
    "chat": "ask at the terminal, or through a pipe",
    "demo": "see it work, without any account or key",
    "refresh": "bring the documents in line with their sources",
    "docs": "look at the documents: list, show, search, verify",
    "eval": "ask questions whose answers are known, and say how well it did",
    "report": "say what went unanswered, by topic, and which pages were cited",
    "doctor": "check settings, tokens and connections",
    "forget": "erase what a person wrote",
    "migrate": "bring the database to the version of this Docent",
    "manifest": "print what a platform needs to know of the app",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    has_output = prepare_streams()
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return EXIT_CONFIG
    if problem := _contradiction(options):
        parser.error(problem)
    if options.command in PRINTING and not has_output:
        tell_lost("it is closed")
        return EXIT_FAILED
    try:
        code = _call(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (DocentError, ExceptionGroup, OSError) as error:
        if any(isinstance(problem, OSError) for problem in _leaves(error)) and is_output_lost():
            return EXIT_FAILED
        code = explain(error, _print_error)
    return EXIT_FAILED if is_output_lost() else code


def _call(options: argparse.Namespace) -> int:
    with no_search():
        command = importlib.import_module(f"bots.commands.{options.command}")
    return int(asyncio.run(command.main(options)))


def _contradiction(options: argparse.Namespace) -> str | None:
    """What was asked for that would have to be ignored; None where all counts."""
    match vars(options):
        case {"command": "report", "pages": True, "format": form} if form != "csv":
            return "--pages is for CSV: write --format csv --pages; text and JSON have both"
        case {"command": "manifest", "platform": "discord", "agent": True}:
            return "--agent is for Slack: write docent manifest slack --agent"
        case {"command": "manifest", "platform": "slack", "application_id": str()}:
            return "--application-id is for Discord: write docent manifest discord"
    return None


def explain(error: Exception, say: Callable[[str], None]) -> int:
    """Say in plain words why Docent stops; the exit code.

    What nobody foresaw is raised again, for its traceback.
    """
    problems = list(_leaves(error))
    for problem in problems:
        if not isinstance(problem, DocentError):
            raise error
    for problem in problems:
        if isinstance(problem, ConfigError):
            say(f"These settings need mending:\n{problem}")
        else:
            say(f"Docent stops: {problem}")
    is_config = any(isinstance(problem, ConfigError) for problem in problems)
    return EXIT_CONFIG if is_config else EXIT_FAILED


def _print_error(text: str) -> None:
    print(text, file=sys.stderr)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _version() -> str:
    try:
        return version("docent")
    except PackageNotFoundError:
        return "from a checkout"


def _role(name: str) -> str:
    # Not argparse's choices: with nargs="*" they refuse an empty list, or show it as one of them.
    if name not in ROLES:
        raise argparse.ArgumentTypeError(f"there is no {name!r}, only {', '.join(ROLES)}")
    return name


def _digits(text: str) -> str:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an id: it has digits only")
    return text


def _person(text: str) -> str:
    if not re.fullmatch(ASKER, text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a person: write slack:U0123456 or discord:123456789, an id, no name"
        )
    return text


def _mark(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a mark: `docent docs verify` names those that there are"
        )
    return text


def _add_documents(refresh: argparse.ArgumentParser, docs: argparse.ArgumentParser) -> None:
    part = refresh.add_mutually_exclusive_group()  # of a part nobody knows what else is to stay
    part.add_argument(
        "--source", action="append", metavar="NAME", help="only this one; may be given repeatedly"
    )
    part.add_argument(
        "--adopt", type=_mark, metavar="MARK", help="keep files from before the database was lost"
    )
    refresh.add_argument("--dry-run", action="store_true", help="only say what would be done")
    refresh.add_argument("--yes", action="store_true", help="also remove much, without asking")
    actions = docs.add_subparsers(dest="action", metavar="action", required=True)
    listing = actions.add_parser("list", help="every page, with its date, size and state")
    listing.add_argument(
        "--state", choices=("current", "outdated", "missing"), help="only pages with such a copy"
    )
    show = actions.add_parser("show", help="a page as the indexes have it")
    show.add_argument("url", help="its address, as `docent docs list` prints it")
    search = actions.add_parser("search", help="what the local index finds")
    search.add_argument("words", nargs="+", help="a question, or words")
    search.add_argument("--limit", type=_count, default=10, help="passages to show (10)")
    verify = actions.add_parser("verify", help="whether the indexes hold exactly our documents")
    verify.add_argument("--repair", action="store_true", help="mend what differs")


def _add_evaluation(evaluation: argparse.ArgumentParser) -> None:
    evaluation.add_argument("questions", help="a file with one JSON object a line; - reads a pipe")
    evaluation.add_argument("--json", action="store_true", help="print all as JSON")
    evaluation.add_argument(
        "--min-recall3",
        type=_share,
        metavar="SHARE",
        help="exit with 1 where the local index finds fewer of the pages among its first 3",
    )


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument(
        "--since",
        type=_since,
        default="7d",
        metavar="TIME",
        help="7d, 24h, or a day such as 2026-11-01 (7d)",
    )
    report.add_argument("--format", choices=("text", "csv", "json"), default="text")
    report.add_argument(
        "--pages", action="store_true", help="with --format csv: the pages instead of the questions"
    )


def _since(text: str) -> float:
    """Seconds since the epoch: 0 or more."""
    now = time.time()
    if seconds := parse_duration(text):
        return max(0.0, now - seconds)
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        day = -1.0
    if day < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 7d, 24h or 2026-11-01")
    if day >= now:
        raise argparse.ArgumentTypeError(f"{text!r} is in the future: write a day that has begun")
    return day


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0.8 for 80 %")
    return share


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docent",
        description="Answers questions in Slack and Discord threads, from your documentation.",
    )
    parser.add_argument("--version", action="version", version=f"docent {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    parsers["run"].add_argument(
        "roles",
        nargs="*",
        type=_role,
        metavar="role",
        help="slack or discord: hear of what is asked there; worker: answer; without any, all",
    )
    _add_documents(parsers["refresh"], parsers["docs"])
    _add_evaluation(parsers["eval"])
    _add_report(parsers["report"])
    parsers["forget"].add_argument(
        "--user", required=True, type=_person, help="slack:U0123456, or discord:123456789"
    )
    parsers["forget"].add_argument(
        "--dry-run", action="store_true", help="only count what would be erased"
    )
    parsers["forget"].add_argument("--yes", action="store_true", help="do not ask")
    parsers["manifest"].add_argument("platform", choices=PLATFORMS)
    parsers["manifest"].add_argument(
        "--agent",
        action="store_true",
        help="declare the Slack app as an agent: it gets Slack's agent view, and guests lose it",
    )
    parsers["manifest"].add_argument(
        "--application-id",
        type=_digits,
        help="of the Discord application, where DISCORD_TOKEN is not set",
    )
    return parser
