"""/refresh-docs on Discord and the buttons under it, as admins see them."""

import asyncio
import time
from dataclasses import replace

import pytest

from bots import refresh_order
from bots.discord_bot import refreshes
from bots.refresh_text import KEPT, OTHERS
from core.documents import OnProgress, RefreshProgress, RefreshReport, RefreshUnderWay, removals_key
from core.errors import RefreshBusy, SourceUnreachable, UnknownSource
from servers.discord_bench import REPORT, Bench, Notebook, answer_to, connected
from servers.discord_http import Fault

CALLBACK = "/interactions/{interaction}/{token}/callback"
RESPONSE = "/webhooks/{application}/{token}/messages/@original"
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
ASKED = ["Remove 7 pages", "Keep them"]


@pytest.fixture
def slow(monkeypatch):
    """No refresh is over soon."""

    async def never(run):
        """However early it was."""

    monkeypatch.setattr(refreshes, "soon", never)


def progress(done: int) -> RefreshProgress:
    return RefreshProgress(phase="reading", done=done, total=10, what="docs_of_widgets")


def withheld_until_confirmed(notebook: Notebook) -> None:
    """Let refreshes ask before they remove anything."""

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        return REMOVED if notebook.asked_to_refresh[-1][1] else WITHHELD

    notebook.do_refresh = refresh


def labels(message) -> list[str]:
    return [one["label"] for row in message["components"] for one in row["components"]]


async def question(discord, bench: Bench, user, channel, **options):
    """A response that asks whether pages are to be removed."""
    withheld_until_confirmed(bench.notebook)
    interaction = await discord.slash("refresh-docs", user, channel, options)
    await discord.wait_for(lambda: interaction.message and labels(interaction.message))
    return interaction.message


def last(interaction) -> str:
    return (interaction.texts or [""])[-1]


# --- the command ----------------------------------------------------------------------------------


async def test_who_is_no_admin_is_refused_before_anything_else_is_shown(discord, help_channel, ann):
    async with connected(discord) as bench:
        bench.notebook.not_admins.add(str(ann.id))
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
    (callback,) = discord.calls("POST", CALLBACK)
    assert callback.body["type"] == 4  # with the refusal: no "thinking" before it
    assert interaction.ephemeral
    assert "Only admins" in interaction.texts[0]
    assert f"discord:{ann.id}" in interaction.texts[0]
    assert bench.notebook.asked_to_refresh == []


async def test_a_refresh_that_is_soon_over_is_the_response(discord, help_channel, ann):
    async with connected(discord):
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
    (text,) = interaction.texts
    assert "1 added, 0 changed, 0 removed, 2 unchanged, 0 failed" in text
    assert interaction.ephemeral


async def test_a_refresh_is_shown_to_the_admin_alone_until_it_is_done(
    discord, help_channel, ann, monkeypatch
):
    monkeypatch.setattr(refreshes, "EDIT_EVERY", 0.0)
    monkeypatch.setattr(refresh_order, "EARLY_SECONDS", 0.0)
    seen = asyncio.Event()

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        while not seen.is_set():
            await on_progress(progress(1))
            await asyncio.sleep(0)
        return REPORT

    async with connected(discord) as bench:
        bench.notebook.do_refresh = refresh
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
        seen.set()
        await discord.wait_for(lambda: "1 added" in last(interaction))
    assert interaction.ephemeral
    assert interaction.texts[0] == r"█░░░░░░░░░ 10% · Checking docs\_of\_widgets · 1 of 10"
    assert "1 added, 0 changed, 0 removed, 2 unchanged, 0 failed" in last(interaction)
    assert help_channel.texts() == []


async def test_progress_is_not_shown_more_often_than_discord_takes_it(
    discord, help_channel, ann, slow
):
    seen = asyncio.Event()

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        while not seen.is_set():
            await on_progress(progress(1))
            await asyncio.sleep(0)
        return REPORT

    async with connected(discord) as bench:
        bench.notebook.do_refresh = refresh
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
        await discord.mention(help_channel, ann, "What happens meanwhile?")
        await bench.platform.post(answer_to(await bench.notebook.next()))
        seen.set()
        await discord.wait_for(lambda: "1 added" in last(interaction))
    assert len(interaction.texts) == 2


async def test_progress_that_cannot_be_shown_does_not_stop_the_refresh(
    discord, help_channel, ann, slow
):
    discord.fail("POST", CALLBACK, Fault(drop="after"))
    discord.fail("PATCH", RESPONSE, Fault(drop="before"))
    async with connected(discord):
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        direct = discord.world.direct(ann)
        await discord.wait_for(lambda: interaction.texts or direct.texts())
    assert "1 added" in (interaction.texts or direct.texts())[-1]


@pytest.mark.parametrize(
    ("given", "source"),
    [("handbook", "handbook"), ("HANDBOOK", "handbook"), ("elsewhere", "elsewhere")],
)
async def test_a_source_may_be_named(discord, help_channel, ann, given, source):
    async with connected(discord) as bench:
        interaction = await discord.slash("refresh-docs", ann, help_channel, {"source": given})
        await discord.wait_for(lambda: interaction.texts)
    assert bench.notebook.asked_to_refresh == [(source, False)]


async def test_sources_are_offered_while_somebody_types(discord, help_channel, ann):
    long = "https://docs.example/" + "x" * 100
    async with connected(discord) as bench:
        bench.notebook.source_names += [long, *(f"https://d.example/{n}" for n in range(40))]
        some = await discord.complete("refresh-docs", ann, help_channel, "source", "hand")
        every = await discord.complete("refresh-docs", ann, help_channel, "source", "")
        await discord.wait_for(lambda: some.choices and every.choices)
        (key,) = [one["value"] for one in every.choices if one["name"].startswith(long[:90])]
        interaction = await discord.slash("refresh-docs", ann, help_channel, {"source": key})
        await discord.wait_for(lambda: interaction.texts)
    assert [(one["name"], one["value"]) for one in some.choices] == [("handbook", "handbook")]
    assert len(every.choices) == 25
    assert bench.notebook.asked_to_refresh == [(long, False)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnknownSource("DOCS_SOURCES has no source 'x': choose one of a, b."), "one of a, b"),
        (
            RefreshBusy(RefreshUnderWay(by="slack:U7", since=0.0, progress=progress(2))),
            "started 00:00 UTC by slack:U7, reading: 2 of 10",
        ),
        (SourceUnreachable("https://docs.example.org cannot be reached."), "cannot be reached"),
        (RuntimeError("sk-secret"), refresh_order.BROKEN),
    ],
    ids=repr,
)
async def test_a_refresh_that_does_not_happen_is_explained(discord, help_channel, ann, error, said):
    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        raise error

    async with connected(discord) as bench:
        bench.notebook.do_refresh = refresh
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
    assert said in last(interaction).replace("\\", "")
    assert "sk-secret" not in last(interaction)


async def test_after_fifteen_minutes_the_outcome_comes_in_private(discord, help_channel, ann, slow):
    async with connected(discord) as bench:
        withheld_until_confirmed(bench.notebook)
        interaction = await discord.slash("refresh-docs", ann, help_channel, age=16 * 60)
        direct = discord.world.direct(ann)
        await discord.wait_for(direct.texts)
        assert "7 of 12 pages" in direct.texts()[0]
        assert interaction.texts == []

        (message,) = discord.posted(direct)
        pressed = await discord.press(message, "Remove 7 pages", ann, age=16 * 60)
        await discord.wait_for(lambda: "7 removed" in direct.texts()[0])
    assert "7 removed" not in last(pressed)  # but the message could be changed all the same
    assert labels(message) == []
    assert len(direct.texts()) == 1


async def test_a_minute_before_that_it_is_said_where_the_outcome_will_come(
    discord, help_channel, ann, monkeypatch
):
    monkeypatch.setattr(refresh_order, "EARLY_SECONDS", 0.0)
    may_end = asyncio.Event()

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        while not may_end.is_set():
            await on_progress(progress(1))
            await asyncio.sleep(0)
        return REPORT

    async with connected(discord) as bench:
        bench.notebook.do_refresh = refresh
        interaction = await discord.slash("refresh-docs", ann, help_channel, age=14.5 * 60)
        await discord.wait_for(lambda: interaction.texts)
        may_end.set()
        await discord.wait_for(lambda: "1 added" in last(interaction))
    assert "1 of 10" in interaction.texts[0]
    assert "write to you directly" in interaction.texts[0]


async def test_with_the_token_refused_and_no_private_messages_it_comes_in_the_channel_without_buttons(  # noqa: E501
    discord, help_channel, ann, slow
):
    ann.takes_messages = False
    discord.fail("PATCH", RESPONSE, Fault(status=401, code=50027))
    async with connected(discord) as bench:
        withheld_until_confirmed(bench.notebook)
        await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(help_channel.texts)
    (message,) = discord.posted(help_channel)
    assert "7 of 12 pages" in message["content"]
    assert "docent refresh --yes" in message["content"]
    assert labels(message) == []


async def test_a_refresh_is_stopped_with_the_bot_and_the_admin_is_told(
    discord, help_channel, ann, monkeypatch, slow
):
    monkeypatch.setattr("bots.discord_bot.adapter._GRACE", 0.01)

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        await asyncio.Event().wait()
        return REPORT

    async with connected(discord) as bench:
        bench.notebook.do_refresh = refresh
        interaction = await discord.slash("refresh-docs", ann, help_channel)
        await discord.wait_for(lambda: interaction.acknowledged is not None)
        bench.stop.set()
        async with asyncio.timeout(60):
            await bench.running
    assert "stopping" in last(interaction)


# --- the buttons ----------------------------------------------------------------------------------


async def test_where_much_would_be_removed_it_says_how_much_and_offers_to(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
    text = message["content"]
    assert "7 of 12 pages (58%) are no longer in their sources" in text
    assert "https://d.example/old/4\n" in text
    assert "https://d.example/old/5" not in text
    assert "… and 2 more" in text
    assert labels(message) == ASKED


@pytest.mark.parametrize("early", [True, False])
async def test_the_button_removes_them_and_its_message_becomes_the_outcome(
    discord, help_channel, ann, early, monkeypatch
):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        if not early:
            monkeypatch.setattr(refreshes, "soon", later)
        pressed = await discord.press(message, "Remove 7 pages", ann)
        await discord.wait_for(lambda: "7 removed" in message["content"])
    assert labels(message) == []
    assert pressed.acknowledged is not None
    assert bench.notebook.asked_to_refresh == [(None, False), (None, True)]
    assert len(pressed.texts) == (1 if early else 2)


async def later(run) -> None:
    """No refresh is over soon."""


async def test_where_other_pages_are_gone_by_then_the_message_asks_about_these(
    discord, help_channel, ann
):
    others = replace(WITHHELD, withheld=[f"https://d.example/other/{n}" for n in range(8)])

    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)

        async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
            shown_first = bench.notebook.confirmed == removals_key(WITHHELD.withheld)
            return others if shown_first else REMOVED

        bench.notebook.do_refresh = refresh
        await discord.press(message, "Remove 7 pages", ann)
        await discord.wait_for(lambda: labels(message) == ["Remove 8 pages", "Keep them"])
        assert message["content"].startswith(OTHERS)
        await discord.press(message, "Remove 8 pages", ann)
        await discord.wait_for(lambda: "7 removed" in message["content"])
    assert bench.notebook.confirmed == removals_key(others.withheld)


async def test_the_button_works_after_a_restart_and_for_the_source_that_was_asked_about(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel, source="handbook")
    async with connected(discord) as bench:
        withheld_until_confirmed(bench.notebook)
        await discord.press(message, "Remove 7 pages", ann)
        await discord.wait_for(lambda: "7 removed" in message["content"])
    assert bench.notebook.asked_to_refresh == [("handbook", True)]


async def test_a_button_that_is_pressed_twice_works_once(discord, help_channel, ann, monkeypatch):
    monkeypatch.setattr(refresh_order, "EARLY_SECONDS", 0.0)
    may_end = asyncio.Event()

    async def refresh(user: str, on_progress: OnProgress) -> RefreshReport:
        await may_end.wait()
        return REMOVED

    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        as_shown = dict(message)  # in a client that did not hear of what became of it
        bench.notebook.do_refresh = refresh
        presses = [await discord.press(dict(as_shown), "Remove 7 pages", ann) for _ in range(3)]
        await discord.wait_for(lambda: all(one.acknowledged is not None for one in presses))
        may_end.set()
        await discord.wait_for(lambda: any("7 removed" in last(one) for one in presses))
        late = await discord.press(dict(as_shown), "Remove 7 pages", ann)
        await discord.wait_for(lambda: late.acknowledged is not None)
    assert bench.notebook.asked_to_refresh == [(None, False), (None, True)]
    assert late.texts == []


@pytest.mark.parametrize("who", ["no admin", "busy"])
async def test_who_may_not_remove_them_now_is_told_so_and_the_question_stays(
    discord, help_channel, ann, who
):
    async def busy(user: str, on_progress: OnProgress) -> RefreshReport:
        raise RefreshBusy(RefreshUnderWay(by="the schedule", since=0.0))

    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        asks, bench.notebook.do_refresh = bench.notebook.do_refresh, busy
        other = discord.world.user("Bob") if who == "no admin" else ann
        bench.notebook.not_admins.add(str(other.id) if who == "no admin" else "")
        pressed = await discord.press(message, "Remove 7 pages", other)
        await discord.wait_for(lambda: pressed.texts)
        expected = "Only admins" if who == "no admin" else "started 00:00 UTC by the schedule"
        assert expected in pressed.texts[0]
        assert pressed.ephemeral
        assert labels(message) == ASKED

        bench.notebook.do_refresh = asks  # and it works for who may
        await discord.press(message, "Remove 7 pages", ann)
        await discord.wait_for(lambda: "7 removed" in message["content"])


async def test_pages_can_be_kept(discord, help_channel, ann):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        await discord.press(message, "Keep them", ann)
        await discord.wait_for(lambda: not labels(message))
    assert message["content"].replace("\\", "") == KEPT
    assert bench.notebook.asked_to_refresh == [(None, False)]


async def test_what_was_asked_a_day_ago_is_not_done_any_more(
    discord, help_channel, ann, monkeypatch
):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        tomorrow = time.time() + 25 * 3600
        monkeypatch.setattr(refresh_order, "_now", lambda: tomorrow)
        await discord.press(message, "Remove 7 pages", ann)
        await discord.wait_for(lambda: not labels(message))
    assert message["content"] == refresh_order.OUTDATED
    assert bench.notebook.asked_to_refresh == [(None, False)]


async def test_an_outcome_that_cannot_be_shown_in_the_response_comes_in_private(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        discord.fail("POST", CALLBACK, Fault(status=404, code=10062))
        await discord.press(message, "Remove 7 pages", ann)
        direct = discord.world.direct(ann)
        await discord.wait_for(direct.texts)
    assert "7 removed" in direct.texts()[0]


async def test_buttons_that_are_not_ours_are_left_alone(discord, help_channel, ann):
    async with connected(discord) as bench:
        message = await question(discord, bench, ann, help_channel)
        foreign = dict(message)
        foreign["components"] = [
            {"type": 1, "components": [{"type": 2, "label": "Old", "custom_id": "old", "style": 1}]}
        ]
        pressed = await discord.press(foreign, "Old", ann)
        await discord.mention(help_channel, ann, "still there?")
        await bench.notebook.next()
    assert pressed.acknowledged is None
    assert bench.notebook.asked_to_refresh == [(None, False)]
