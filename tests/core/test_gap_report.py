"""The report of what went unanswered, and how it is told in a chat."""

from collections.abc import Mapping, Sequence

import pytest

from bots.discord_bot.render import render as render_for_discord
from bots.slack_bot.render import render as render_for_slack
from core.domain import Citation, MessageId, ThreadRef, TurnId
from core.errors import MessageGone, NotAdmin, PlatformUnreachable
from core.gap_replies import NOTHING, TOPICS, gap_reply, period
from core.gap_report import GapReport, GapReports
from core.gaps import topics_of
from core.store import Store
from core.unanswered import Gap, GapKind, PageUse, Usage
from servers.gaps import asked, gap, settled
from servers.loop_rig import Bench
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

DAY = 86_400.0
EVER = (0.0, 1e12)
USAGE = Usage(questions=140, cited=(), uncited=(), pages=0)


def report(
    gaps: Sequence[Gap],
    *,
    links: Mapping[TurnId, str] | None = None,
    private: Sequence[int] = (),
    usage: Usage = USAGE,
    forgotten: int = 0,
) -> GapReport:
    return GapReport(
        since=1_762_732_800.0,  # 10 November 2025
        until=1_762_732_800.0 + 7 * DAY,
        total=len(gaps) + forgotten,
        people=len({gap.person for gap in gaps}),
        topics=topics_of(gaps),
        unread=0,
        forgotten=forgotten,
        links=links or {},
        private=frozenset(TurnId(number) for number in private),
        usage=usage,
    )


def page(name: str, times: int = 0) -> PageUse:
    return PageUse(url=f"https://d.example/{name}", title=f"Page {name}", times=times)


# --- making it ------------------------------------------------------------------------------------


async def test_a_report_has_topics_people_links_and_pages(store: Store) -> None:
    await asked(store, "How do I export invoices?", thread="t1", author="U1", message="x1")
    await asked(store, "Export invoices", thread="t2", author="U2", message="x2")
    answered = await store.turns.take(mention("Dark mode?", thread="t3"))
    assert answered is not None
    await settled(store, answered, "answered", (Citation(url="https://d.example/a", title="A"),))
    made = await GapReports(store=store, platforms={"slack": RecordingPlatform()}).make(*EVER)
    (topic,) = made.topics
    assert (made.total, made.people, topic.people) == (2, 2, 2)
    assert sorted(made.links.values()) == [
        "https://chat.example.com/t1/x1",
        "https://chat.example.com/t2/x2",
    ]
    assert [(use.url, use.times) for use in made.usage.cited] == [("https://d.example/a", 1)]
    assert made.usage.questions == 3


async def test_links_are_looked_for_in_what_is_shown_alone(sqlite_store: Store) -> None:
    for number in range(3):
        await asked(sqlite_store, "Export invoices", thread=f"a{number}")
        await asked(sqlite_store, f"word{number}", thread=f"b{number}")
    reports = GapReports(store=sqlite_store, platforms={"slack": RecordingPlatform()})
    made = await reports.make(*EVER, topics=2, examples=2)
    assert len(made.topics) == 4
    assert len(made.links) == 3


async def test_direct_messages_are_private_and_so_is_what_nobody_here_can_tell(
    sqlite_store: Store,
) -> None:
    direct = await asked(sqlite_store, "In a direct message?", thread="D1")
    elsewhere = await asked(sqlite_store, "On Discord?", platform="discord", thread="x")
    public = await asked(sqlite_store, "In a channel?", thread="t1")
    reports = GapReports(store=sqlite_store, platforms={"slack": RecordingPlatform()})
    made = await reports.make(*EVER)
    assert made.private == {direct.id, elsewhere.id}
    assert set(made.links) == {public.id}


class Failing(RecordingPlatform):
    """Fails at the links of some messages."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        super().__init__()
        self._errors = errors

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        if error := self._errors.get(message):
            raise error
        return await super().link(thread, message)


async def test_a_message_that_is_deleted_costs_its_own_link_only(sqlite_store: Store) -> None:
    for number in range(3):
        await asked(sqlite_store, "Export?", thread=f"t{number}", message=f"m{number}")
    platform = Failing({"m2": MessageGone()})
    made = await GapReports(store=sqlite_store, platforms={"slack": platform}).make(*EVER)
    assert sorted(link[-2:] for link in made.links.values()) == ["m0", "m1"]


async def test_a_platform_that_is_away_costs_no_report(sqlite_store: Store) -> None:
    await asked(sqlite_store, "Export?", message="m1")
    platform = Failing({"m1": PlatformUnreachable()})
    made = await GapReports(store=sqlite_store, platforms={"slack": platform}).make(*EVER)
    assert (made.total, made.links) == (1, {})


async def test_admins_get_it_and_others_are_refused(sqlite_store: Store) -> None:
    await asked(sqlite_store, "How do I export invoices?")
    bench = Bench(sqlite_store, ScriptedEngine(), RecordingPlatform(), admins=["slack:U0ADMIN"])
    reply = await bench.desk.gaps("slack", "U0ADMIN", DAY)
    assert "export" in reply.text
    for platform, user in (("slack", "U1"), ("discord", "U0ADMIN")):
        with pytest.raises(NotAdmin, match="Only admins"):
            await bench.desk.gaps(platform, user, DAY)


# --- telling it -----------------------------------------------------------------------------------


def test_a_reply_tells_numbers_topics_questions_and_links() -> None:
    gaps = [
        gap(1, "How do I export invoices?", author="U1"),
        gap(2, "Export invoices", author="U2", kinds=(GapKind.UNHELPFUL,)),
    ]
    links = {TurnId(1): "https://chat.example/1", TurnId(2): "https://chat.example/2"}
    (shown,) = render_for_slack(gap_reply(report(gaps, links=links)))
    assert "10 to 16 November 2025" in shown
    assert "2 questions by 2 people; 140 got a reply in all." in shown
    assert "1 without an answer in the documentation; 1 with an answer that did not help." in shown
    assert "*export, invoices* (2 questions, 2 people, last on 1 Jan)" in shown
    assert "Export invoices <https://chat.example/2|1>, <https://chat.example/1|2>" in shown


def test_a_reply_tells_which_pages_are_cited_most_and_which_never() -> None:
    uncited = tuple(page(f"never{n}") for n in range(9))
    usage = Usage(questions=5, cited=(page("a", 3), page("b", 1)), uncited=uncited, pages=11)
    (shown,) = render_for_slack(gap_reply(report([gap(1, "Export?")], usage=usage)))
    assert "<https://d.example/a|Page a> (3), <https://d.example/b|Page b> (1)" in shown
    assert "*Never cited pages (9 of 11):* <https://d.example/never0|Page never0>" in shown
    assert "and 4 more" in shown


def test_where_every_page_is_cited_those_least_cited_are_told() -> None:
    cited = tuple(page(f"p{n}", 20 - n) for n in range(8))
    usage = Usage(questions=5, cited=cited, uncited=(), pages=8)
    (shown,) = render_for_discord(gap_reply(report([gap(1, "Export?")], usage=usage)))
    assert "**Least cited pages:** [Page p7](<https://d.example/p7>) (13)" in shown


def test_what_was_asked_in_direct_messages_is_counted_and_not_shown() -> None:
    gaps = [
        gap(1, "Is the layoff announced?"),
        gap(2, "How do I export invoices?"),
        gap(3, "export secretly invoices"),
    ]
    shown = "\n".join(render_for_slack(gap_reply(report(gaps, private=[1, 3]))))
    assert "layoff" not in shown
    assert "secretly" not in shown
    assert "*in direct messages* (1 question" in shown
    assert "How do I export invoices?" in shown
    assert "3 questions" in shown


@pytest.mark.parametrize(
    ("question", "on_slack", "on_discord"),
    [
        (
            "<!channel> <@U1> @everyone",
            "&lt;!channel&gt; &lt;@U1&gt; @everyone",
            "\\<!channel> \\<@U1> @\u200beveryone",
        ),
        (
            "[our bank](https://evil.example)",
            "[our bank](<https://evil.example>)",
            "\\[our bank\\](<https://evil.example>)",
        ),
        (
            "**bold**\n\n# heading\n1. one\n```\nfence",
            "**bold** # heading 1. one ˋˋˋ fence",
            "\\*\\*bold\\*\\* # heading 1. one \\`\\`\\` fence",
        ),
        (
            "$x^2$ \\(y\\) &amp; | a |",
            "$x^2$ \\(y\\) &amp;amp; | a |",
            "$x^2$ \\\\(y\\\\) &amp; \\| a \\|",
        ),
    ],
)
def test_what_people_ask_is_shown_as_they_wrote_it_and_does_nothing(
    question: str, on_slack: str, on_discord: str
) -> None:
    reply = gap_reply(report([gap(1, question)]))
    (slack,), (discord,) = render_for_slack(reply), render_for_discord(reply)
    assert slack.endswith(f": {on_slack}")
    assert discord.endswith(f": {on_discord}")


def test_a_mention_alone_is_told_with_its_link() -> None:
    text = gap_reply(report([gap(1, "")], links={TurnId(1): "https://chat.example/1"})).text
    assert "a mention alone" in text
    assert "[1](<https://chat.example/1>)" in text


def test_a_reply_is_bounded_whatever_people_ask() -> None:
    gaps = [gap(n, f"word{n} " * 500) for n in range(1, 60)]
    links = {gap.turn: f"https://chat.example/{gap.turn}" for gap in gaps}
    usage = Usage(
        questions=1,
        cited=tuple(
            PageUse(url=f"https://d.example/{n}", title="T" * 500, times=1) for n in range(9)
        ),
        uncited=(),
        pages=9,
    )
    made = report(gaps, links=links, usage=usage, forgotten=2)
    assert len(render_for_slack(gap_reply(made))) <= 2
    assert len(render_for_discord(gap_reply(made))) <= 4
    shown = "\n".join(render_for_slack(gap_reply(made)))
    assert f"{59 - TOPICS} more topics" in shown
    assert "The text of 2 questions is deleted." in shown


def test_where_nothing_went_unanswered_it_says_so() -> None:
    (shown,) = render_for_slack(gap_reply(report([])))
    assert NOTHING in shown
    assert "140 questions got a reply." in shown


@pytest.mark.parametrize(
    ("since", "days", "said"),
    [
        (1_762_732_800.0, 7, "10 to 16 November 2025"),
        (1_762_732_800.0, 1, "10 November 2025"),
        (1_762_732_800.0, 30, "10 November to 9 December 2025"),
        (1_762_732_800.0, 60, "10 November 2025 to 8 January 2026"),
    ],
)
def test_a_time_is_told_by_its_first_and_its_last_day(since: float, days: int, said: str) -> None:
    assert period(since, since + days * DAY) == said
