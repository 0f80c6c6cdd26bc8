"""Files that people attach in Slack: as core hears of them, and as they are read."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from bots import download
from bots.slack_bot.adapter import SlackPlatform
from bots.slack_bot.events import Asked, read_event
from bots.slack_bot.presses import ASK_ABOUT
from core.domain import Attached, Mention
from core.errors import FileUnreadable, PlatformBusy, PlatformUnreachable, TokenRefused
from servers.faults import Fault
from servers.slack_faults import api_error, rate_limited, server_error
from servers.slack_files import LOGIN
from servers.slack_rig import FakeReception, away, back, running, slack_settings
from servers.slack_server import BOT_TOKEN, BOT_USER, SlackServer
from servers.slack_workspace import Json

CHANNEL = "C0GENERAL"
LIMIT = 1_000_000
TRACE = b"Traceback (most recent call last):\n" * 3_000  # more than one piece of a reply


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server
        assert server.unknown_args == []


@pytest.fixture
def reception() -> FakeReception:
    return FakeReception()


@pytest.fixture
async def platform(server: SlackServer, reception: FakeReception) -> AsyncIterator[SlackPlatform]:
    async with running(slack_settings(server), reception) as platform:
        yield platform


@asynccontextmanager
async def another_host() -> AsyncIterator[SlackServer]:
    """A server that is not Slack's, and serves whoever comes with whatever token."""
    async with SlackServer() as other:
        yield other


async def asked(server: SlackServer, reception: FakeReception, *files: str | Json) -> Mention:
    """Ask about files; what core hears of it."""
    server.mention(CHANNEL, "U1", "what is this?", files=files)
    await server.wait_for(lambda: reception.taken)
    return reception.taken[-1]


async def read(platform: SlackPlatform, mention: Mention, limit: int = LIMIT) -> bytes:
    """Read the one file of a question."""
    (file,) = mention.files
    return await platform.read_file(mention.thread, file, limit)


def names_of(mention: Mention) -> tuple[str, ...]:
    return tuple(file.name for file in mention.files)


# --- what core hears of ---------------------------------------------------------------------------


async def test_a_file_is_told_of_with_what_it_takes_to_read_it(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    picture = server.files.upload("screen.png", b"\x89PNG")
    mention = await asked(server, reception, picture)
    (file,) = mention.files
    assert mention.unread == ()
    assert file == Attached(
        name="screen.png",
        size=4,
        media_type="image/png",
        ref=json.dumps({"id": picture["id"], "url": picture["url_private_download"]}),
        channel=CHANNEL,
        message=mention.message,
    )
    assert BOT_TOKEN not in repr(mention)


async def test_a_question_may_be_nothing_but_a_file(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    server.dm("U1", "", files=["trace.log"])
    await server.wait_for(lambda: reception.taken)
    (mention,) = reception.taken
    assert (mention.text, names_of(mention)) == ("", ("trace.log",))
    assert await read(platform, mention) == b"something"


async def test_a_snippet_is_a_file_like_any_other(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    snippet = server.files.upload("config.yaml", b"a: 1", mode="snippet", editable=True)
    assert await read(platform, await asked(server, reception, snippet)) == b"a: 1"


@pytest.mark.parametrize(
    ("more", "unread"),
    [
        ({"mode": "external", "is_external": True}, "a.pdf (it is kept outside of Slack)"),
        ({"is_external": True, "external_type": "gdrive"}, "a.pdf (it is kept outside of Slack)"),
        ({"mode": "tombstone", "name": None, "title": None}, "a file (it was deleted)"),
        ({"mode": "hidden_by_limit"}, "a.pdf (the plan of the workspace hides it)"),
        ({"mode": "quip", "title": "Plan"}, "a.pdf (it is a canvas)"),
    ],
)
async def test_what_can_never_be_read_is_named_with_why(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    more: Json,
    unread: str,
) -> None:
    odd = server.files.upload("a.pdf", **more)
    mention = await asked(server, reception, odd, "b.pdf")
    assert (mention.unread, names_of(mention)) == ((unread,), ("b.pdf",))


@pytest.mark.parametrize("files", [None, 1, "F1", [None, 1, "F1"], {"id": "F1"}])
def test_odd_lists_of_files_are_no_files(files: object) -> None:
    event = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "ts": "1.0"}
    heard = read_event({"event": {**event, "text": "how?", "files": files}}, BOT_USER)
    assert isinstance(heard, Asked)
    assert (heard.mention.files, heard.mention.unread) == ((), ())


@pytest.mark.parametrize("file", [{}, {"id": 1, "size": "2", "mimetype": None, "name": 3}])
def test_a_file_of_which_nothing_is_told_is_unread(file: Json) -> None:
    event = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "ts": "1.0"}
    heard = read_event({"event": {**event, "text": "", "files": [file]}}, BOT_USER)
    assert isinstance(heard, Asked)
    assert (heard.mention.files, heard.mention.unread) == ((), ("a file",))


async def test_files_come_with_what_was_missed_edited_remarked_or_asked_about(
    server: SlackServer,
) -> None:
    server.mention(CHANNEL, "U1", "missed", files=["a.log"])
    async with back(server, away()) as reception:
        (missed,) = reception.taken
        assert names_of(missed) == ("a.log",)

        server.edit(CHANNEL, missed.message, f"<@{BOT_USER}> edited")
        await server.wait_for(lambda: reception.edited)
        assert reception.edited[0].files == missed.files

        server.say(CHANNEL, "U1", "", thread_ts=missed.message, files=["b.log"])
        await server.wait_for(lambda: reception.overheard)
        assert names_of(reception.overheard[0].mention) == ("b.log",)

        about = server.say(CHANNEL, "U2", "", files=["c.log"])
        server.message_menu(ASK_ABOUT, CHANNEL, about, user="U3")
        await server.wait_for(lambda: reception.taken[1:])
        assert (reception.taken[1].author, names_of(reception.taken[1])) == ("U3", ("c.log",))


# --- reading --------------------------------------------------------------------------------------


async def test_a_file_is_read_whole_and_the_token_goes_with_the_request(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, server.files.upload("trace.log", TRACE))
    assert await read(platform, mention) == TRACE
    (request,) = server.files.requests
    assert request.token == BOT_TOKEN


async def test_a_process_that_only_works_reads_files_too(
    server: SlackServer, reception: FakeReception
) -> None:
    async with running(slack_settings(server), reception):
        mention = await asked(server, reception, "trace.log")
    worker = SlackPlatform(slack_settings(server))
    try:
        await worker.open()
        assert await read(worker, mention) == b"something"
    finally:
        await worker.close()
    with pytest.raises(PlatformUnreachable):
        await read(worker, mention)


async def test_a_file_of_another_workspace_is_asked_for_first(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, server.files.foreign("plan.txt", b"the plan"))
    assert names_of(mention) == ("a file",)
    assert await read(platform, mention) == b"the plan"
    (call,) = server.calls_of("files.info")
    assert call["file"] in mention.files[0].ref


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"is_external": True}, "outside of Slack"),
        ({"mode": "tombstone"}, "deleted"),
        ({"url_private": "", "url_private_download": ""}, "does not let me"),
        ({"size": LIMIT + 1}, "larger than 1 MB"),
    ],
)
async def test_what_slack_says_when_it_is_asked_for_a_file_counts(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    more: Json,
    reason: str,
) -> None:
    mention = await asked(server, reception, server.files.foreign("plan.txt"))
    (described,) = server.files.described.values()
    described |= more
    with pytest.raises(FileUnreadable, match=reason):
        await read(platform, mention)
    assert server.files.requests == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("file_not_found", "no longer there"),
        ("file_deleted", "no longer there"),
        ("missing_scope", "does not let me"),
        ("access_denied", "does not let me"),
        ("method_not_supported_for_channel_type", "does not let me"),
    ],
)
async def test_a_file_that_slack_does_not_tell_of_is_unreadable_and_the_thread_is_not_gone(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    code: str,
    reason: str,
) -> None:
    mention = await asked(server, reception, server.files.foreign("plan.txt"))
    server.fail("files.info", api_error(code))
    with pytest.raises(FileUnreadable, match=reason):
        await read(platform, mention)


async def test_a_token_that_is_refused_is_told_apart(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, server.files.foreign("plan.txt"))
    server.fail("files.info", api_error("token_revoked"), rate_limited(7))
    with pytest.raises(TokenRefused):
        await read(platform, mention)
    with pytest.raises(PlatformBusy) as busy:
        await read(platform, mention)
    assert busy.value.retry_after == 7


# --- what is not the file -------------------------------------------------------------------------


@pytest.mark.parametrize("redirects", [False, True])
async def test_a_page_to_sign_in_is_not_the_file_and_the_operator_is_told_of_the_scope(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    caplog: pytest.LogCaptureFixture,
    redirects: bool,
) -> None:
    caplog.set_level(logging.WARNING)
    mention = await asked(server, reception, "salaries.txt")
    server.scopes.remove("files:read")
    server.files.redirects_to_login = redirects
    for _ in range(2):
        with pytest.raises(FileUnreadable) as error:
            await read(platform, mention)
        assert str(error.value) == "Slack does not let me read it"
    told = [record.getMessage() for record in caplog.records if "files:read" in record.getMessage()]
    assert len(told) == 1  # once is enough
    assert BOT_TOKEN not in caplog.text
    assert "salaries" not in caplog.text


@pytest.mark.parametrize(
    ("body", "kind"), [(f"\n  {LOGIN}", "text/plain"), ("Please sign in.", "text/html")]
)
async def test_a_page_is_known_by_how_it_begins_and_by_what_it_is_said_to_be(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform, body: str, kind: str
) -> None:
    mention = await asked(server, reception, "a.txt")
    server.fail("file", Fault(status=200, body=body, content_type=kind))
    with pytest.raises(FileUnreadable, match="does not let me"):
        await read(platform, mention)


async def test_a_file_that_is_a_page_is_read_and_a_page_in_its_place_is_not(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    page = b"<!doctype html><title>Report</title>"
    mention = await asked(server, reception, server.files.upload("report.html", page))
    assert await read(platform, mention) == page
    server.scopes.remove("files:read")
    with pytest.raises(FileUnreadable, match="does not let me"):
        await read(platform, mention)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=401), "does not let me"),
        (Fault(status=403), "does not let me"),
        (Fault(status=404), "no longer there"),
        (Fault(status=410), "no longer there"),
    ],
)
async def test_a_refusal_is_said_in_words(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    fault: Fault,
    reason: str,
) -> None:
    mention = await asked(server, reception, "a.txt")
    server.fail("file", fault)
    with pytest.raises(FileUnreadable, match=reason):
        await read(platform, mention)


async def test_a_file_that_was_deleted_meanwhile_is_gone(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    file = server.files.upload("a.txt")
    mention = await asked(server, reception, file)
    server.files.delete(file["id"])
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(platform, mention)


# --- hosts and redirects --------------------------------------------------------------------------


async def test_the_token_goes_to_no_other_host_whatever_the_message_says(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    async with another_host() as other:
        away_from_here = other.files.upload("a.txt")
        address = {name: away_from_here[name] for name in ("url_private", "url_private_download")}
        mention = await asked(server, reception, server.files.upload("a.txt", **address))
        with pytest.raises(FileUnreadable, match="kept elsewhere"):
            await read(platform, mention)
        assert other.files.requests == []


async def test_a_redirect_to_another_host_is_not_followed(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    async with another_host() as other:
        file = server.files.upload("a.txt")
        target = other.files.upload("a.txt")["url_private"]
        server.files.uploads[file["id"]].redirects = [target]
        mention = await asked(server, reception, file)
        with pytest.raises(FileUnreadable, match="kept elsewhere"):
            await read(platform, mention)
        assert other.files.requests == []


async def test_redirects_within_slack_are_followed_with_the_token(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    file = server.files.upload("a.txt", b"moved twice")
    there = file["url_private"].removeprefix(server.base_url)
    server.files.uploads[file["id"]].redirects = [file["url_private"], there]
    assert await read(platform, await asked(server, reception, file)) == b"moved twice"
    assert [request.token for request in server.files.requests] == [BOT_TOKEN] * 3


@pytest.mark.parametrize("target", ["", "http://[", "//", "javascript:alert(1)"])
async def test_a_redirect_to_nowhere_leads_nowhere(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform, target: str
) -> None:
    file = server.files.upload("a.txt")
    server.files.uploads[file["id"]].redirects = [target] * 10
    with pytest.raises(FileUnreadable, match="kept elsewhere"):
        await read(platform, await asked(server, reception, file))


async def test_redirects_in_a_circle_end(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    file = server.files.upload("a.txt")
    server.files.uploads[file["id"]].redirects = [file["url_private"]] * 100
    with pytest.raises(FileUnreadable, match="kept elsewhere"):
        await read(platform, await asked(server, reception, file))
    assert len(server.files.requests) == download.MOST_REDIRECTS + 1


# --- sizes, and broken connections ----------------------------------------------------------------


async def test_a_file_that_is_said_to_be_too_large_is_not_asked_for(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, server.files.upload("big.log", said=LIMIT + 1))
    with pytest.raises(FileUnreadable, match="larger than 1 MB"):
        await read(platform, mention)
    assert server.files.requests == []


@pytest.mark.parametrize("tells_length", [True, False])
async def test_a_file_that_is_larger_than_said_is_read_no_further_than_the_limit(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform, tells_length: bool
) -> None:
    file = server.files.upload("big.log", b"x" * 20 * LIMIT, said=10)
    upload = server.files.uploads[file["id"]]
    upload.tells_length = tells_length
    mention = await asked(server, reception, file)
    with pytest.raises(FileUnreadable, match="larger than 1 MB"):
        await read(platform, mention)
    assert upload.sent < 20 * LIMIT  # what was under way, and not the rest


async def test_a_reply_that_is_too_long_by_its_own_words_is_not_read_at_all(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    file = server.files.upload("big.log", b"x" * 2 * LIMIT, said=10)
    server.files.uploads[file["id"]].cut_at = 1_000  # nobody gets to the limit
    with pytest.raises(FileUnreadable, match="larger than 1 MB"):
        await read(platform, await asked(server, reception, file))


async def test_a_file_of_just_the_limit_is_read(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, server.files.upload("a.log", b"x" * 1000))
    assert len(await read(platform, mention, 1000)) == 1000
    with pytest.raises(FileUnreadable):
        await read(platform, replace(mention, files=(replace(mention.files[0], size=0),)), 999)


async def test_a_body_that_is_cut_off_may_be_read_again(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    file = server.files.upload("trace.log", TRACE)
    upload = server.files.uploads[file["id"]]
    upload.cut_at = 50_000
    mention = await asked(server, reception, file)
    with pytest.raises(PlatformUnreachable):
        await read(platform, mention)
    upload.cut_at = None
    assert await read(platform, mention) == TRACE


@pytest.mark.parametrize("fault", [server_error(), Fault(status=500), Fault(status=408)])
async def test_a_failure_of_slacks_may_be_over_the_next_time(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform, fault: Fault
) -> None:
    mention = await asked(server, reception, "a.txt")
    server.fail("file", fault)
    with pytest.raises(PlatformUnreachable):
        await read(platform, mention)
    assert await read(platform, mention) == b"something"


async def test_a_pause_that_slack_asks_for_is_told(
    server: SlackServer, reception: FakeReception, platform: SlackPlatform
) -> None:
    mention = await asked(server, reception, "a.txt")
    server.fail("file", rate_limited(30), rate_limited("soon"))
    for seconds in (30.0, None):
        with pytest.raises(PlatformBusy) as busy:
            await read(platform, mention)
        assert busy.value.retry_after == seconds


async def test_a_server_that_never_replies_is_not_waited_for(
    server: SlackServer,
    reception: FakeReception,
    platform: SlackPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=0.2))
    mention = await asked(server, reception, "a.txt")
    server.fail("file", Fault(hang=True))
    with pytest.raises(PlatformUnreachable):
        await read(platform, mention)
