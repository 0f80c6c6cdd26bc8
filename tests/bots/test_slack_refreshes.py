"""/refresh-docs on Slack and the buttons under it, as admins see them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bots import refresh_order
from bots.refresh_text import KEPT, OTHERS
from bots.slack_bot import refresh_report, refreshes
from core.documents import OnProgress, RefreshProgress, RefreshReport, RefreshUnderWay, removals_key
from core.errors import RefreshBusy, SourceUnreachable, UnknownSource
from servers.faults import Fault
from servers.slack_deliveries import Delivery
from servers.slack_faults import api_error, server_error
from servers.slack_rig import NOTHING_DONE, FakeReception, http_settings, running, slack_settings
from servers.slack_server import SlackServer
from servers.slack_workspace import Json

REPORT = RefreshReport(
    added=["https://d.example/a"],
    changed=[],
    removed=["https://d.example/b"],
    unchanged=7,
    failed=[("https://d.example/c", "the page is <empty> & odd")],
    seconds=12.0,
)
WITHHELD = RefreshReport(
    added=(),
    changed=(),
    removed=(),
    unchanged=5,
    failed=(),
    seconds=2.0,
    withheld=[f"https://d.example/old/{n}" for n in range(7)],
    known=12,
)
REMOVED = RefreshReport(
    added=(), changed=(), removed=WITHHELD.withheld, unchanged=5, failed=(), seconds=1.0
)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No refresh is over soon."""

    async def never(_: asyncio.Task[refresh_order.Outcome]) -> None:
        """However early it was."""

    monkeypatch.setattr(refreshes, "soon", never)


def reading(done: int) -> RefreshProgress:
    return RefreshProgress(phase="reading", done=done, total=50, what="docs")


class Held:
    """A refresh that goes on until it may end."""

    def __init__(self, report: RefreshReport, progress: Sequence[RefreshProgress] = ()) -> None:
        self.report = report
        self.progress = progress
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, on_progress: OnProgress) -> RefreshReport:
        self.begun.set()
        try:
            for step in self.progress:
                await on_progress(step)
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self.report


def withheld_until_confirmed(reception: FakeReception) -> None:
    """Let refreshes ask before they remove anything."""

    async def refresh(_: OnProgress) -> RefreshReport:
        return REMOVED if reception.asked_to_refresh[-1][1] else WITHHELD

    reception.refresh_as = refresh


async def order(server: SlackServer, text: str = "", user: str = "U1") -> Delivery:
    asked = server.slash("/refresh-docs", text, channel="C0GENERAL", user=user)
    async with asyncio.timeout(60):
        await asked.done.wait()
    return asked


async def question(server: SlackServer) -> Json:
    """A direct message that asks whether pages are to be removed."""
    await order(server)
    direct = server.workspace.direct("U1")
    (message,) = await server.wait_for(lambda: [m for m in direct.messages if m.get("blocks")])
    return dict(message) | {"channel": direct.id}


def press(server: SlackServer, message: Json, label: str, user: str = "U1") -> Delivery:
    return server.press(message["channel"], message, label, user=user)


def labels(message: Json) -> list[str]:
    return [
        button["text"]["text"]
        for block in message.get("blocks") or ()
        for button in block.get("elements", ())
    ]


def now(server: SlackServer, message: Json) -> Json:
    """A message as it is now."""
    found = server.workspace.channels[message["channel"]].find(message["ts"])
    assert found is not None
    return found


# --- the command ----------------------------------------------------------------------------------


async def test_who_is_no_admin_is_refused_before_anything_else_is_shown() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server, user="U2")
        assert asked.reply["response_type"] == "ephemeral"
        for word in ("Only admins", "U2", "slack:U2", "ADMINS"):
            assert word in asked.reply["text"]
        assert reception.asked_to_refresh == []
        assert server.workspace.direct("U2").messages == []
        assert server.answers(asked) == []


async def test_a_refresh_that_is_soon_over_is_reported_in_the_answer_to_the_command() -> None:
    reception = FakeReception()

    async def refresh(on_progress: OnProgress) -> RefreshReport:
        await on_progress(reading(1))
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server)
        assert asked.reply["response_type"] == "ephemeral"
        assert "1 added, 0 changed, 1 removed, 7 unchanged, 1 failed" in asked.reply["text"]
        assert "https://d.example/c: the page is &lt;empty&gt; &amp; odd" in asked.reply["text"]
        assert reception.asked_to_refresh == [(None, False)]
        assert server.workspace.channels["C0GENERAL"].messages == []
        assert server.workspace.direct("U1").messages == []


async def test_a_refresh_that_takes_longer_is_one_direct_message_that_is_updated(
    slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh_report, "UPDATE_EVERY", 0.0)
    reception = FakeReception()
    seen = asyncio.Event()

    async def refresh(on_progress: OnProgress) -> RefreshReport:
        while not seen.is_set():
            await on_progress(reading(10))
            await asyncio.sleep(0)
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server)
        assert asked.reply["text"] == refreshes.STARTED
        direct = server.workspace.direct("U1")
        bar = "██░░░░░░░░ 20% · Checking docs · 10 of 50"
        await server.wait_for(lambda: direct.messages and direct.messages[0]["text"] == bar)
        seen.set()
        await server.wait_for(lambda: "1 added" in direct.messages[0]["text"])
        assert len(direct.messages) == 1
        assert server.workspace.channels["C0GENERAL"].messages == []
        assert server.answers(asked) == []
        assert server.violations == []
        assert server.unknown_args == []


async def test_progress_is_not_told_more_often_than_slack_takes_it(slow: None) -> None:
    reception = FakeReception()
    seen = asyncio.Event()

    async def refresh(on_progress: OnProgress) -> RefreshReport:
        while not seen.is_set():
            await on_progress(reading(10))
            await asyncio.sleep(0)
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        await order(server)
        direct = server.workspace.direct("U1")
        await server.wait_for(lambda: direct.messages)
        server.dm("U1", "what happens meanwhile?")
        await server.wait_for(lambda: reception.taken)
        seen.set()
        await server.wait_for(lambda: "1 added" in direct.messages[0]["text"])
        assert len(server.calls_of("chat.update")) == 1


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", None),
        ("handbook", "handbook"),
        (" Handbook ", "handbook"),
        ("https://docs.example", "https://docs.example/"),
        ("<https://docs.example/>", "https://docs.example/"),
        ("handboo", "handboo"),
    ],
)
async def test_a_source_may_be_named_after_the_command(text: str, source: str | None) -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        await order(server, text)
        assert reception.asked_to_refresh == [(source, False)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UnknownSource("DOCS_SOURCES has no source 'x': choose one of a, b."), ["one of a, b"]),
        (
            RefreshBusy(RefreshUnderWay(by="slack:U7", since=0.0, progress=reading(20))),
            ["under way already", "00:00 UTC by slack:U7", "reading: 20 of 50"],
        ),
        (SourceUnreachable("The source docs cannot be listed."), ["The source docs cannot"]),
        (RuntimeError("a secret detail"), [refresh_order.BROKEN]),
    ],
)
async def test_a_refresh_that_does_not_happen_is_explained(
    error: Exception, words: list[str]
) -> None:
    reception = FakeReception()

    async def refresh(_: OnProgress) -> RefreshReport:
        raise error

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server)
        for word in words:
            assert word in asked.reply["text"]
        assert "secret" not in asked.reply["text"]


async def test_where_no_direct_message_can_be_sent_the_outcome_answers_the_command(
    slow: None,
) -> None:
    reception = FakeReception()
    held = reception.refresh_as = Held(REPORT, [reading(1)])
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("chat.postMessage", *[api_error("messages_tab_disabled")] * 2)
        asked = await order(server)
        held.may_end.set()
        (answer,) = await server.wait_for(lambda: server.answers(asked))
        assert answer["response_type"] == "ephemeral"
        assert "1 added" in answer["text"]
        assert server.violations == []


@pytest.mark.parametrize("late", [False, True])
async def test_where_no_answer_is_taken_either_the_outcome_is_whispered_in_the_channel(
    late: bool, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if late:
        monkeypatch.setattr(refresh_report, "ANSWERS_END_SECONDS", -1.0)
    reception = FakeReception()
    held = reception.refresh_as = Held(NOTHING_DONE)
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("chat.postMessage", *[api_error("messages_tab_disabled")] * 2)
        server.fail("response_url", Fault(status=404, body="expired_url"))
        asked = await order(server)
        held.may_end.set()
        (whisper,) = await server.wait_for(lambda: server.whispers)
        assert (whisper["channel"], whisper["user"]) == ("C0GENERAL", "U1")
        assert "3 unchanged" in whisper["text"]
        assert server.answers(asked) == []
        assert server.faults_left("response_url") == (1 if late else 0)


async def test_an_outcome_that_cannot_be_told_at_all_harms_nothing(slow: None) -> None:
    reception = FakeReception()
    held = reception.refresh_as = Held(REPORT)
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("chat.postMessage", *[server_error()] * 3)
        server.fail("response_url", Fault(drop="before"))
        server.fail("chat.postEphemeral", server_error())
        await order(server)
        held.may_end.set()
        await server.wait_for(lambda: not server.faults_left("chat.postMessage"))
        server.dm("U1", "still there?")
        await server.wait_for(lambda: reception.taken)


async def test_a_refresh_that_outlasts_the_bot_is_cancelled_and_its_caller_told(
    slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshes, "FINISH_SECONDS", 0.05)
    reception = FakeReception()
    held = reception.refresh_as = Held(REPORT)
    async with SlackServer() as server:
        async with running(slack_settings(server), reception):
            await order(server)
            await held.begun.wait()
        assert held.cancelled.is_set()
        (message,) = server.workspace.direct("U1").messages
        assert message["text"] == refreshes.INTERRUPTED


async def test_a_refresh_that_is_nearly_done_may_end_when_the_bot_stops(slow: None) -> None:
    reception = FakeReception()
    stop = asyncio.Event()
    held = reception.refresh_as = Held(REPORT)
    async with (
        SlackServer() as server,
        running(slack_settings(server), reception, stop=stop),
    ):
        await order(server)
        stop.set()
        await server.wait_for(lambda: server.connections == 0)
        held.may_end.set()
        direct = server.workspace.direct("U1")
        await server.wait_for(lambda: direct.messages and "1 added" in direct.messages[0]["text"])


# --- the buttons ----------------------------------------------------------------------------------


async def test_where_much_would_be_removed_it_says_how_much_and_offers_to(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        (section, _) = message["blocks"]
        for text in (message["text"], section["text"]["text"]):
            assert "7 of 12 pages (58%) are no longer in their sources" in text
            assert "https://d.example/old/4\n" in text
            assert "https://d.example/old/5" not in text
            assert "… and 2 more" in text
        assert labels(message) == ["Remove 7 pages", "Keep them"]


async def test_the_button_removes_them_and_its_message_becomes_the_outcome(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        held = reception.refresh_as = Held(REMOVED)
        pressed = press(server, message, "Remove 7 pages")
        async with asyncio.timeout(60):
            await pressed.done.wait()  # the acknowledgement, which waits for no refresh
        held.may_end.set()
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])
        assert labels(now(server, message)) == []
        assert reception.asked_to_refresh == [(None, False), (None, True)]
        assert len(server.workspace.direct("U1").messages) == 1
        assert server.violations == []


async def test_where_other_pages_are_gone_by_then_the_message_asks_about_these(slow: None) -> None:
    reception = FakeReception()
    others = replace(WITHHELD, withheld=tuple(f"https://d.example/other/{n}" for n in range(8)))

    async def refresh(_: OnProgress) -> RefreshReport:
        asked = {None: WITHHELD, removals_key(WITHHELD.withheld): others}
        return asked.get(reception.confirmed, REMOVED)

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        press(server, message, "Remove 7 pages")
        await server.wait_for(
            lambda: labels(now(server, message)) == ["Remove 8 pages", "Keep them"]
        )
        assert now(server, message)["text"].startswith(OTHERS)

        message = now(server, message) | {"channel": message["channel"]}
        press(server, message, "Remove 8 pages")
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])
        assert reception.confirmed == removals_key(others.withheld)


async def test_the_button_works_after_a_restart_and_for_the_source_that_was_asked_about(
    slow: None,
) -> None:
    before, after = FakeReception(), FakeReception()
    withheld_until_confirmed(before)
    withheld_until_confirmed(after)
    async with SlackServer() as server:
        async with running(slack_settings(server), before):
            await order(server, "handbook")
            direct = server.workspace.direct("U1")
            await server.wait_for(lambda: direct.messages and labels(direct.messages[0]))
        message = dict(direct.messages[0]) | {"channel": direct.id}
        async with running(slack_settings(server), after):
            press(server, message, "Remove 7 pages")
            await server.wait_for(lambda: "7 removed" in now(server, message)["text"])
        assert after.asked_to_refresh == [("handbook", True)]


async def test_a_button_that_is_pressed_twice_works_once(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        held = reception.refresh_as = Held(REMOVED)
        presses = [press(server, message, "Remove 7 pages") for _ in range(3)]
        for pressed in presses:
            await pressed.done.wait()
        held.may_end.set()
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])
        late = press(server, message, "Remove 7 pages")
        await late.done.wait()
        assert reception.asked_to_refresh == [(None, False), (None, True)]
        assert "7 removed" in now(server, message)["text"]


async def test_the_message_of_a_button_shows_the_progress_without_buttons(
    slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh_report, "UPDATE_EVERY", 0.0)
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        may_go_on = asyncio.Event()

        async def refresh(on_progress: OnProgress) -> RefreshReport:
            await may_go_on.wait()
            await on_progress(reading(25))
            return REMOVED

        reception.refresh_as = refresh
        press(server, message, "Remove 7 pages")
        await server.wait_for(lambda: now(server, message)["text"] == refreshes.REMOVING)
        assert labels(now(server, message)) == []
        may_go_on.set()
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])
        texts = [call["text"] for call in server.calls_of("chat.update")]
        assert any("25 of 50" in text for text in texts)


@pytest.mark.parametrize("who", ["no admin", "busy"])
async def test_who_may_not_remove_them_now_is_told_so_and_the_question_stays(
    who: str, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        asks, reception.refresh_as = reception.refresh_as, refuse_busy
        if who == "no admin":
            reception.admins.clear()
        monkeypatch.setattr(refreshes, "soon", refresh_order.soon)
        pressed = press(server, message, "Remove 7 pages")
        (answer,) = await server.wait_for(lambda: server.answers(pressed))
        expected = "Only admins" if who == "no admin" else "started 00:00 UTC by the schedule"
        assert expected in answer["text"]
        assert answer["replace_original"] is False
        assert labels(now(server, message)) == ["Remove 7 pages", "Keep them"]

        reception.admins, reception.refresh_as = {"U1"}, asks  # and it works as soon as one may
        press(server, message, "Remove 7 pages")
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])


async def refuse_busy(_: OnProgress) -> RefreshReport:
    raise RefreshBusy(RefreshUnderWay(by="the schedule", since=0.0))


async def test_pages_can_be_kept(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        press(server, message, "Keep them")
        await server.wait_for(lambda: now(server, message)["text"] == KEPT)
        assert labels(now(server, message)) == []
        press(server, message, "Remove 7 pages")  # too late
        await server.wait_for(lambda: all(d.acked_at for d in server.deliveries))
        assert reception.asked_to_refresh == [(None, False)]


async def test_what_was_asked_a_day_ago_is_not_done_any_more(
    slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        tomorrow = time.time() + 25 * 3600
        monkeypatch.setattr(refresh_order, "_now", lambda: tomorrow)
        press(server, message, "Remove 7 pages")
        await server.wait_for(lambda: now(server, message)["text"] == refresh_order.OUTDATED)
        assert reception.asked_to_refresh == [(None, False)]


async def test_where_the_source_is_not_there_any_more_nothing_is_done(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        await order(server, "handbook")
        direct = server.workspace.direct("U1")
        await server.wait_for(lambda: direct.messages and labels(direct.messages[0]))
        message = dict(direct.messages[0]) | {"channel": direct.id}
        reception.source_names.remove("handbook")
        press(server, message, "Remove 7 pages")
        await server.wait_for(lambda: now(server, message)["text"] == refresh_order.CHANGED)
        assert reception.asked_to_refresh == [("handbook", False)]


async def test_a_question_in_the_answer_to_the_command_is_replaced_within_the_answers_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        shown: dict[str, Any] = (await order(server)).reply
        assert labels(shown) == ["Remove 7 pages", "Keep them"]
        monkeypatch.setattr(refresh_order, "EARLY_SECONDS", 0.0)
        monkeypatch.setattr(refresh_report, "PROGRESS_AFTER", (0.0, 0.0, 0.0))
        may_go_on = asyncio.Event()

        async def refresh(on_progress: OnProgress) -> RefreshReport:
            await may_go_on.wait()
            for done in range(50):
                await on_progress(reading(done))
            return REMOVED

        reception.refresh_as = refresh
        pressed = server.press("C0GENERAL", shown, "Remove 7 pages", user="U1")
        await server.wait_for(lambda: shown["text"] == refreshes.REMOVING)
        may_go_on.set()
        await server.wait_for(lambda: "7 removed" in shown["text"])
        assert labels(shown) == []
        assert len(server.answers(pressed)) == 4
        assert server.workspace.direct("U1").messages == []
        assert server.violations == []


async def test_an_outcome_that_cannot_be_shown_in_the_message_is_told_beside_it(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        server.fail("chat.update", *[server_error()] * 2)
        pressed = press(server, message, "Remove 7 pages")
        (answer,) = await server.wait_for(lambda: server.answers(pressed))
        assert "7 removed" in answer["text"]


async def test_over_http_the_buttons_work_too(slow: None) -> None:
    reception = FakeReception()
    withheld_until_confirmed(reception)
    async with SlackServer() as server, running(http_settings(server), reception) as platform:
        server.deliver_to(f"http://127.0.0.1:{platform.port}/slack/events")
        message = await question(server)
        pressed = press(server, message, "Remove 7 pages")
        await pressed.done.wait()
        assert (pressed.status, pressed.reply) == (200, None)
        await server.wait_for(lambda: "7 removed" in now(server, message)["text"])


async def test_the_longest_outcome_is_taken_by_slack_whole_lines_only(slow: None) -> None:
    reception = FakeReception()
    report = RefreshReport(
        added=(),
        changed=(),
        removed=(),
        unchanged=0,
        failed=[("https://d.example/" + "&" * 300, "<" * 300)] * 20,
        seconds=1.0,
        withheld=["https://d.example/" + "&" * 300] * 20,
        known=20,
    )

    async def refresh(_: OnProgress) -> RefreshReport:
        return report

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        message = await question(server)
        (section, _) = message["blocks"]
        assert "20 of 20 pages (100%)" in section["text"]["text"]
        assert section["text"]["text"].endswith("\n…")
        assert len(message["text"]) <= 4_000


@pytest.mark.parametrize(
    "odd",
    [{"container": None}, {"container": {"type": "view"}}, {"user": {}}, {"actions": [{}]}],
)
async def test_a_press_that_cannot_be_read_is_acknowledged(odd: Json) -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        button = {"type": "button", "action_id": "refresh:remove:all:1", "block_id": "b"}
        payload = {"type": "block_actions", "actions": [button], **odd}
        delivery = server.interact(payload)
        if odd.get("actions") != [{}]:
            async with asyncio.timeout(60):
                await delivery.done.wait()
        server.dm("U1", "still there?")
        await server.wait_for(lambda: reception.taken)
        assert reception.refreshes == []
