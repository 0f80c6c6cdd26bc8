import json
from pathlib import Path
from typing import Any

import pytest

from bots.slack_bot.events import Asked, Overheard, place, read_event, tenant, thread_ref
from core.domain import Mention, MessageId, ThreadRef

PAYLOADS = Path(__file__).parent.parent / "payloads" / "slack"
BOT = "U0LAN0Z89"


def payload(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return body


def read(name: str) -> Mention:
    heard = read_event(payload(name), BOT)
    assert isinstance(heard, Asked)
    return heard.mention


def test_a_mention_is_read_in_full() -> None:
    assert read("app_mention") == Mention(
        thread=ThreadRef(platform="slack", tenant="T061EG9R6", key="C0LAN2Q65:1763800000.000100"),
        channel="C0LAN2Q65",
        message=MessageId("1763800000.000100"),
        author="U061F7AUR",
        text="how do I rotate a key?",
        at=1763800000.0001,
    )


def test_both_deliveries_of_one_mention_read_the_same() -> None:
    assert read("app_mention") == read("app_mention_as_message")


@pytest.mark.parametrize(
    ("name", "key", "text"),
    [
        ("app_mention_in_thread", "C0LAN2Q65:1763800000.000100", "and with the CLI?"),
        (
            "message_thread_broadcast_with_mention",
            "C0LAN2Q65:1763800000.000100",
            "does this hold?",
        ),
        (
            "message_private_channel_with_mention",
            "G0LAN2Q70:1763800120.000100",
            "hey which port?",
        ),
        ("message_mpim_with_mention", "C0MPIM001:1763800130.000100", "which port?"),
        ("message_im", "D024BE91L:1763800140.000100", "how do I rotate a key?"),
        ("message_im_in_thread", "D024BE91L:1763800140.000100", "and with the CLI?"),
        ("app_mention_bare", "C0LAN2Q65:1763800060.000100", ""),
    ],
)
def test_a_question_belongs_to_the_thread_it_was_asked_in(name: str, key: str, text: str) -> None:
    mention = read(name)
    assert (mention.thread.key, mention.text) == (key, text)


@pytest.mark.parametrize(
    ("name", "text", "files"),
    [
        ("app_mention_with_files", "what is wrong here?", ("screen.png", "trace.txt")),
        ("message_file_share_with_mention", "see the picture", ("picture.png",)),
        ("message_im_files_only", "", ("log.txt",)),
        ("message_file_from_another_workspace", "", ("a file",)),
    ],
)
def test_attached_files_come_with_the_question(
    name: str, text: str, files: tuple[str, ...]
) -> None:
    mention = read(name)
    assert (mention.text, tuple(file.name for file in mention.files)) == (text, files)
    assert mention.unread == ()


@pytest.mark.parametrize(
    "name",
    [
        "message_channel_join",
        "message_channel_mentioning_another",
        "message_channel_without_mention",
        "message_im_empty",
        "message_mpim_without_mention",
        "message_of_our_own",
        "reaction_added",
    ],
)
def test_what_asks_the_bot_nothing_is_ignored(name: str) -> None:
    assert read_event(payload(name), BOT) is None


@pytest.mark.parametrize(
    ("name", "text", "to_others"),
    [
        ("message_in_thread", "and on Windows?", False),
        ("message_in_thread_to_another", "@U061F7AUS do you know?", True),
        ("message_in_thread_to_a_group", "@S0614TZR7 can somebody help?", True),
    ],
)
def test_what_is_said_in_a_thread_is_a_remark(name: str, text: str, to_others: bool) -> None:
    heard = read_event(payload(name), BOT)
    assert isinstance(heard, Overheard)
    assert heard.remark.mention.thread == read("app_mention_in_thread").thread
    assert (heard.remark.to_others, heard.remark.edited) == (to_others, False)
    assert heard.remark.mention.text == text


@pytest.mark.parametrize(
    ("name", "bot"),
    [
        ("message_of_an_old_style_bot", ("B0OTHER02",)),
        ("message_of_another_bot", ("U0OTHERBOT", "B0OTHER01")),
    ],
)
def test_a_bot_that_mentions_ours_is_told_from_people(name: str, bot: tuple[str, ...]) -> None:
    mention = read(name)
    assert (mention.author, mention.bot) == (bot[0], bot)


def test_the_event_of_somebody_from_another_workspace_says_so() -> None:
    assert read("app_mention_from_shared_channel").external
    assert not read("app_mention_from_organisation").external
    assert not read("app_mention").external


def test_an_own_message_is_ignored_even_without_a_bot_id() -> None:
    body = payload("message_of_our_own")
    del body["event"]["bot_id"]
    assert read_event(body, BOT) is None


def test_the_tokens_of_slack_are_spelt_out() -> None:
    assert read("app_mention_with_tokens").text == (
        "hi does @U061F7AUS need #help-keys or this page (https://docs.example.com/keys?a=1&b=2) "
        "when 1 < 2 && 3 > 2? @here https://docs.example.com http://docs.example.com "
        "ops@example.com"
    )


def test_blocks_are_read_where_there_is_no_text() -> None:
    assert read("message_im_blocks_only").text == (
        "Why does @U061F7AUS get <none> & in #C0LAN2Q65 with this page "
        "(https://docs.example.com/keys)?\ndocent run\n\n*Please* hurry"
    )


def test_the_tenant_is_where_the_app_is_installed_not_where_the_asker_is_from() -> None:
    assert read("app_mention_from_shared_channel").thread.tenant == "T061EG9R6"


def test_the_tenant_of_an_app_installed_everywhere_is_the_organisation() -> None:
    assert read("app_mention_from_organisation").thread.tenant == "E0ORG0001"
    command = {"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": "true"}
    assert tenant(command) == "E1"


@pytest.mark.parametrize("kind", ["im", None])
def test_a_direct_message_is_known_by_its_type_or_else_by_its_channel(kind: str | None) -> None:
    body = payload("message_im")
    body["event"]["channel_type"] = kind
    assert isinstance(read_event(body, BOT), Asked)


@pytest.mark.parametrize(
    "change",
    [
        {"event": None},
        {"event": []},
        {"event": {}},
        {"authorizations": None},
        {"authorizations": []},
        {"authorizations": ["?"]},
        {"event.ts": None},
        {"event.ts": "soon"},
        {"event.user": None},
        {"event.channel": 7},
        {"event.text": None},
        {"event.text": 7},
        {"event.subtype": {}},
        {"event.files": "none"},
        {"event.files": [None, {}]},
        {"event.blocks": [None, 7, {"type": []}, {"elements": {"type": "text"}}]},
    ],
)
def test_an_odd_payload_is_never_an_error(change: dict[str, Any]) -> None:
    body = payload("message_im")
    for path, value in change.items():
        *parents, name = path.split(".")
        (body[parents[0]] if parents else body)[name] = value
    heard = read_event(body, BOT)
    assert heard is None or (isinstance(heard, Asked) and heard.mention.channel == "D024BE91L")


def test_a_thread_is_found_again_by_its_key() -> None:
    assert place(thread_ref("T1", "C1", "1.2")) == ("C1", "1.2")
