"""`docent report`: what went unanswered, by topic, and which pages answers rested on."""

import argparse
import asyncio
import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.padding import Padding
from rich.text import Text

from bots.app import Roles, make_platforms, open_store
from bots.terminal_bot.screen import Screen, open_screen
from core.config import load_settings
from core.gap_replies import NOTHING, counted, period, ways
from core.gap_report import GapReport, GapReports
from core.gaps import Topic
from core.log import set_up_logging
from core.unanswered import Gap, GapKind, PageUse

TOPICS = 20  # that the text shows
EXAMPLES = 3  # questions of each
PAGES = 10  # of each kind
LONGEST = 300  # characters of a question, in the text

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What makes a spreadsheet take text for a formula; also where it takes ; for the end of a cell.
_FORMULA = re.compile(r"(^|[;|])(\s*[=+\-@＝＋－＠])")

Write = Callable[[str], None]


async def main(options: argparse.Namespace) -> int:
    """Print the report; 1 where nobody read it to its end, else 0."""
    settings = load_settings()
    set_up_logging("ERROR", settings.log_format)
    screen = open_screen(asyncio.Event())
    until = time.time()
    as_text = options.format == "text"
    async with open_store(settings, must_exist=True) as store:
        everywhere = make_platforms(settings, store, Roles.named((), settings))
        try:
            reports = GapReports(store=store, platforms={one.name: one for one in everywhere})
            report = await reports.make(
                options.since,
                until,
                topics=TOPICS if as_text else None,
                examples=EXAMPLES if as_text else None,
            )
        finally:
            for platform in everywhere:
                await platform.close()
    match options.format:
        case "csv":
            rows = _page_rows(report) if options.pages else _question_rows(report)
            _write(screen, _as_csv(rows))
        case "json":
            _write(screen, json.dumps(_as_json(report), indent=2, ensure_ascii=False) + "\n")
        case _:
            _print(screen, report)
    return int(screen.gone)


def _write(screen: Screen, text: str) -> None:
    try:
        screen.file.write(text)
        screen.file.flush()
    except BrokenPipeError:
        screen.on_broken_pipe()


# --- for people -----------------------------------------------------------------------------------


def _print(screen: Screen, report: GapReport) -> None:
    """A block for each topic; in a pipe the same without colours, and lines are not wrapped."""

    def say(text: str = "", style: str = "", indent: int = 0) -> None:
        shown = Text(_STEERING.sub(" ", text), style)  # a string would be read as markup
        if screen.is_terminal:
            screen.print(Padding(shown, (0, 0, 0, indent), expand=False))
        else:
            screen.print(Text(" " * indent) + shown, soft_wrap=True)

    say(f"What went unanswered, {period(report.since, report.until)}", "bold")
    for line in _head(report):
        say(line)
    for topic in report.topics[:TOPICS]:
        say()
        _print_topic(say, report, topic)
    if (more := len(report.topics) - TOPICS) > 0:
        say()
        say(f"… and {counted(more, 'more topic')}: --format csv and --format json have all.", "dim")
    _print_pages(say, report)


def _print_topic(say: Callable[..., None], report: GapReport, topic: Topic) -> None:
    last = datetime.fromtimestamp(topic.last_asked, UTC)
    notes = [counted(topic.people, "person", "people"), f"last on {last.day} {last:%b}"]
    if set(topic.kinds) != {GapKind.NOT_ANSWERED}:
        notes += ways([topic])
    words = ", ".join(topic.words) or "no words to go by"
    say(f"{len(topic.gaps):>4}  {words}  ({', '.join(notes)})", "bold")
    for gap in topic.gaps[:EXAMPLES]:
        say(_one_line(gap.said)[:LONGEST], indent=6)
        if link := report.links.get(gap.turn):
            say(link, "dim", indent=6)


def _print_pages(say: Callable[..., None], report: GapReport) -> None:
    usage = report.usage
    if usage.cited:
        say()
        say("Most cited pages", "bold")
        for page in usage.cited[:PAGES]:
            say(f"{page.times:>4}  {_titled(page)}")
    if len(usage.cited) > PAGES:
        say()
        say("Least cited pages", "bold")
        for page in reversed(usage.cited[-PAGES:]):
            say(f"{page.times:>4}  {_titled(page)}")
    if usage.uncited:
        say()
        say(f"Never cited ({len(usage.uncited):,} of {counted(usage.pages, 'page')})", "bold")
        for page in usage.uncited[:PAGES]:
            say(f"   0  {_titled(page)}")
        if (more := len(usage.uncited) - PAGES) > 0:
            say(f"      … and {more:,} more", "dim")


def _head(report: GapReport) -> Iterator[str]:
    replied = f"{counted(report.usage.questions, 'question')} got a reply."
    if not report.total:
        yield f"{NOTHING} {replied}"
        return
    asked = counted(report.people, "person", "people")
    yield f"{counted(report.total, 'question')} by {asked}; {replied[:-1]} in all."
    if parts := ways(report.topics):
        yield f"{'; '.join(parts)}."
    if report.unread:
        yield f"{counted(report.unread, 'older question')} not grouped: choose a shorter time."
    if report.forgotten:
        yield f"The text of {counted(report.forgotten, 'question')} is deleted."


def _titled(page: PageUse) -> str:
    title = _one_line(page.title)
    return page.url if not title or title == page.url else f"{title}  {page.url}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- for programs ---------------------------------------------------------------------------------


def _question_rows(report: GapReport) -> Iterator[Sequence[str]]:
    yield (
        "topic",
        "topic_words",
        "topic_question",
        "question",
        "unanswered",
        "outcome",
        "reasons",
        "platform",
        "asked_at",
        "unanswered_at",
        "link",
    )
    for number, topic in enumerate(report.topics, start=1):
        for gap in topic.gaps:
            yield (
                str(number),
                ", ".join(topic.words),
                topic.question,
                gap.said,
                " ".join(gap.kinds),
                gap.outcome,
                " / ".join(gap.reasons),
                gap.thread.platform,
                _time(gap.asked_at),
                _time(gap.at),
                report.links.get(gap.turn, ""),
            )


def _page_rows(report: GapReport) -> Iterator[Sequence[str]]:
    yield ("times_cited", "title", "url")
    for page in (*report.usage.cited, *report.usage.uncited):
        yield (str(page.times), page.title, page.url)


def _as_csv(rows: Iterator[Sequence[str]]) -> str:
    """Rows as a spreadsheet opens them: every cell is text, whatever somebody wrote."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: str) -> str:
    """The cell in one line; what would be a formula is text with a ' before it."""
    return _FORMULA.sub(r"\1'\2", _one_line(_STEERING.sub(" ", cell)))


def _as_json(report: GapReport) -> dict[str, Any]:
    usage = report.usage
    return {
        "since": _time(report.since),
        "until": _time(report.until),
        "questions": usage.questions,
        "unanswered": report.total,
        "people": report.people,
        "not_grouped": report.unread,
        "text_deleted": report.forgotten,
        "topics": [
            {
                "words": topic.words,
                "question": topic.question,
                "people": topic.people,
                "last_asked": _time(topic.last_asked),
                "unanswered": {str(kind): count for kind, count in topic.kinds.items()},
                "questions": [_gap_as_json(report, gap) for gap in topic.gaps],
            }
            for topic in report.topics
        ],
        "pages": [
            {"url": page.url, "title": page.title, "times_cited": page.times}
            for page in (*usage.cited, *usage.uncited)
        ],
    }


def _gap_as_json(report: GapReport, gap: Gap) -> dict[str, Any]:
    return {
        "question": gap.question,
        "unanswered": gap.kinds,
        "outcome": gap.outcome,
        "reasons": gap.reasons,
        "platform": gap.thread.platform,
        "asked_at": _time(gap.asked_at),
        "unanswered_at": _time(gap.at),
        "link": report.links.get(gap.turn),
    }


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
