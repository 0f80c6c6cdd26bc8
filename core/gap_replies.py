"""What went unanswered, as a reply: for admins who ask, and for the digest.

What people asked is shown as they wrote it, but for direct messages: these are only counted.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from core.domain import Reply
from core.gap_report import GapReport
from core.gaps import Topic
from core.text import shortened
from core.unanswered import GapKind, PageUse

TOPICS = 10  # that are shown
EXAMPLES = 3  # questions of each, with links
PAGES = 5  # of each kind
LONGEST_QUESTION = 160  # characters
LONGEST_TITLE = 80

NOTHING = "Nothing went unanswered in this time."
#: In which way questions went unanswered, after their number.
WAYS = {
    GapKind.NOT_ANSWERED: "without an answer in the documentation",
    GapKind.FAILED: "that failed",
    GapKind.UNHELPFUL: "with an answer that did not help",
    GapKind.HUMAN: "handed to people",
}

_SIGN = re.compile(r"[!-/:-@\[-`{-~]")  # of ASCII: all that can be markup


def gap_reply(report: GapReport) -> Reply:
    """Tell what went unanswered: the TOPICS with most questions, and the pages most and least used.

    Bounded in size, whatever people asked.
    """
    shown = report.topics[:TOPICS]
    lines = [f"**What went unanswered, {period(report.since, report.until)}**", "", _head(report)]
    if shown:
        lines += ["", *(f"{n}. {_topic(report, one)}" for n, one in enumerate(shown, start=1))]
    lines += ["", *_pages(report)]
    usage = report.usage
    pages = (*usage.cited[:PAGES], *usage.cited[-PAGES:], *usage.uncited[:PAGES])
    return Reply(
        text="\n".join(lines).strip(),
        labelled=(*report.links.values(), *(page.url for page in pages)),
        notes=tuple(_notes(report)),
    )


def period(since: float, until: float) -> str:
    """Write from which day to which, in UTC: "9 to 16 November 2026"."""
    first = datetime.fromtimestamp(since, UTC)
    last = max(first, datetime.fromtimestamp(until, UTC) - timedelta(microseconds=1))
    end = f"{last.day} {last:%B %Y}"
    if first.date() == last.date():
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {end}"
    start = f"{first.day} {first:%B}"
    return f"{start} to {end}" if first.year == last.year else f"{start} {first.year} to {end}"


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number and what it is of: "1 page", "2 pages", "1 person", "2 people"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ways(topics: Sequence[Topic]) -> list[str]:
    """How many questions went unanswered in which way: "3 that failed"; one may in two ways."""
    sums = {kind: sum(topic.kinds.get(kind, 0) for topic in topics) for kind in GapKind}
    return [f"{count:,} {WAYS[kind]}" for kind, count in sums.items() if count]


def _head(report: GapReport) -> str:
    if not report.total:
        return f"{NOTHING} {counted(report.usage.questions, 'question')} got a reply."
    asked = f"{counted(report.total, 'question')} by {counted(report.people, 'person', 'people')}"
    of = f"{asked}; {report.usage.questions:,} got a reply in all."
    parts = ways(report.topics)
    return f"{of} {'; '.join(parts)}." if parts else of


def _topic(report: GapReport, topic: Topic) -> str:
    """One topic in a line: words, numbers, the question that says it best, links to some."""
    last = datetime.fromtimestamp(topic.last_asked, UTC)
    shown = [gap for gap in topic.gaps if gap.turn not in report.private]
    said = " ".join(gap.question for gap in shown).lower()
    words = [word for word in topic.words if word in said]  # not those of direct messages
    about = ", ".join(map(_plain, words)) or "no words to go by"
    if not shown:
        about = "in direct messages"
    numbers = [counted(len(topic.gaps), "question")]
    if len(topic.gaps) > 1:
        numbers.append(counted(topic.people, "person", "people"))
    numbers.append(f"last on {last.day} {last:%b}")
    line = f"**{about}** ({', '.join(numbers)})"
    if not shown:
        return line
    links = [report.links[gap.turn] for gap in shown if gap.turn in report.links][:EXAMPLES]
    numbered = ", ".join(f"[{n}](<{link}>)" for n, link in enumerate(links, start=1))
    return f"{line}: {_cut(shown[0].said, LONGEST_QUESTION)} {numbered}".rstrip()


def _pages(report: GapReport) -> Iterator[str]:
    usage = report.usage
    if usage.cited:
        most = ", ".join(f"{_link(page)} ({page.times:,})" for page in usage.cited[:PAGES])
        yield f"**Most cited pages:** {most}"
        yield ""
    if usage.uncited and usage.questions:
        some = ", ".join(map(_link, usage.uncited[:PAGES]))
        more = f", … and {len(usage.uncited) - PAGES:,} more" * (len(usage.uncited) > PAGES)
        of = f"{len(usage.uncited):,} of {usage.pages:,}"
        yield f"**Never cited pages ({of}):** {some}{more}"
    elif usage.pages and len(usage.cited) > PAGES:
        last = reversed(usage.cited[-PAGES:])
        least = ", ".join(f"{_link(page)} ({page.times:,})" for page in last)
        yield f"**Least cited pages:** {least}"


def _notes(report: GapReport) -> Iterator[str]:
    if (more := len(report.topics) - TOPICS) > 0:
        yield f"{counted(more, 'more topic')}: `docent report` has all."
    if report.unread:
        yield f"{counted(report.unread, 'older question')} not grouped."
    if report.forgotten:
        yield f"The text of {counted(report.forgotten, 'question')} is deleted."


def _link(page: PageUse) -> str:
    title = _cut(page.title or page.url, LONGEST_TITLE)
    if not page.url.startswith(("http://", "https://")):  # of a folder without a base address
        return title
    return f"[{title}](<{page.url}>)"


def _cut(text: str, longest: int) -> str:
    """As much of the text as is shown, in one line, so that Markdown shows it as it is."""
    return _plain(shortened(" ".join(text.split()), longest))


def _plain(text: str) -> str:
    # Not by a backslash, which can begin a formula.
    return _SIGN.sub(lambda sign: f"&#{ord(sign[0])};", text)
