"""Replies with buttons: as blocks that Slack shows, and presses read out of its payloads.

A message has its text twice: as blocks, which people see, and as text, which notifications and
searches use. Where a workspace does not take Slack's own feedback buttons, plain ones are shown;
where it takes none, the text alone.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from bots.press_order import LABELS, WHY
from bots.slack_bot.api import Blocks, Look, SlackApi, marker_of
from bots.slack_bot.errors import BlocksRefused
from bots.slack_bot.events import PLATFORM, place, seconds, thread_ref
from core.domain import Button, MessageId, Post, TurnId
from core.feedback import LONGEST_REASON
from core.press import Press

ACTIONS: Final = re.compile(r"docent:\w+")
REASON: Final = "docent:reason"  #: the callback id of the modal that asks why

LONGEST_SECTION: Final = 3_000  #: characters, as Slack takes them
_FENCE: Final = "```"
_ROOM: Final = LONGEST_SECTION - len(_FENCE) - 1

_STYLES: Final = {Button.STOP: "danger", Button.CONFIRM: "primary"}
_ROWS: Final = ("actions", "context_actions")  #: types of the blocks that hold buttons
_VERDICTS: Final = (Button.HELPFUL, Button.UNHELPFUL)
_VALUE: Final = re.compile(r"(\w+):(\d{1,18})")

T = TypeVar("T")
_Json = Mapping[str, Any]


async def post_dressed(api: SlackApi, post: Post) -> str:
    """Post a part in its thread with its buttons, and those tagged whom it calls; its ts."""
    channel, root = place(post.thread)

    async def send(shown: Blocks) -> str:
        return await api.post(channel, tagged(post), shown, root=root, marker=post.marker)

    return await _dressed(api, post, send)


async def rewrite_dressed(api: SlackApi, post: Post, ts: str) -> None:
    """Let a message of ours be this part, with its buttons."""
    channel, _ = place(post.thread)

    async def send(shown: Blocks) -> None:
        await api.rewrite(channel, ts, post.text, shown, marker=post.marker)

    await _dressed(api, post, send)


async def _dressed(api: SlackApi, post: Post, send: Callable[[Blocks], Awaitable[T]]) -> T:
    """Send a post with its buttons, in the best look that the workspace takes.

    `send` is called with the blocks, once for each look that is tried: what Slack refuses for its
    blocks is not posted. Without buttons it is called with none.
    """
    if not post.buttons:
        return await send(())
    for look in (Look.NATIVE, Look.PLAIN):
        if look < api.look:
            continue
        try:
            sent = await send(blocks(post, look))
        except BlocksRefused:
            continue
        api.look = look  # what was refused once is not tried again
        return sent
    return await send(())


async def undress(api: SlackApi, press: Press, message: object) -> None:
    """Take the buttons from the message of a press, as its payload has it."""
    text = message.get("text") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(text, str) or not text:
        return  # one that only one person sees
    shown, marker = message.get("blocks"), marker_of(message)
    blocks = [block for block in (shown if isinstance(shown, list) else ()) if not _is_row(block)]
    kept = marker if isinstance(marker, str) else None
    await api.rewrite(press.channel, press.message, text, blocks, marker=kept)


def blocks(post: Post, look: Look = Look.NATIVE) -> Blocks:
    """The text and the buttons of a post as blocks."""
    return [*map(_section, sections(post.text)), *button_blocks(post, look)]


def button_blocks(post: Post, look: Look = Look.NATIVE) -> Blocks:
    """The buttons of a post alone, for a message that gets its text otherwise."""
    verdicts = [button for button in post.buttons if button in _VERDICTS]
    native = look is Look.NATIVE and len(verdicts) == len(_VERDICTS)
    plain = [button for button in post.buttons if not (native and button in verdicts)]
    made: list[dict[str, Any]] = []
    if native:
        made.append({"type": "context_actions", "elements": [_feedback(post.turn)]})
    if plain:
        elements = [_button(button, post.turn) for button in plain]
        made.append({"type": "actions", "elements": elements})
    return made


def sections(text: str) -> list[str]:
    """Cut mrkdwn into texts that a section takes, at ends of lines where that is possible.

    A fence that is cut is closed, and opened again. No link, mention or entity is cut.
    """
    cut: list[str] = []
    while len(text) > LONGEST_SECTION:
        end = _end(text)
        head, text = text[:end], text[end:].removeprefix("\n")
        if head.count(_FENCE) % 2:
            head, text = f"{head}\n{_FENCE}", f"{_FENCE}\n{text}"
        cut.append(head)
    return [*cut, text]


def tagged(post: Post) -> str:
    """The text of a post behind those whom it tags: groups by their S…, people by their U…."""
    tags = [f"<!subteam^{one}>" if one.startswith("S") else f"<@{one}>" for one in post.people]
    return " ".join((*tags, post.text))


# --- presses --------------------------------------------------------------------------------------


def press_of(body: _Json, tenant: str) -> Press | None:
    """Read a press out of its payload; None where it is odd, or of another button."""
    try:
        container, action = body["container"], body["actions"][0]
        parsed = _VALUE.fullmatch(str(action["value"]))
        if parsed is None:
            return None
        channel, ts = str(container["channel_id"]), str(container["message_ts"])
        root = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts")
        return Press(
            platform=PLATFORM,
            tenant=tenant,
            channel=channel,
            thread=thread_ref(tenant, channel, str(root)) if root else None,
            message=MessageId(ts),
            user=str(body["user"]["id"]),
            turn=TurnId(int(parsed[2])),
            button=Button(parsed[1]),
            at=seconds(action.get("action_ts")) or float(ts),
        )
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def reason_view(press: Press) -> dict[str, Any]:
    """The modal that asks why a reply did not help."""
    thread = press.thread.key if press.thread else ""
    kept = {"turn": press.turn, "channel": press.channel, "key": thread, "ts": press.message}
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": json.dumps(kept),
        "title": _plain(LABELS[Button.UNHELPFUL]),
        "submit": _plain("Send"),
        "close": _plain("Skip"),
        "blocks": [
            {
                "type": "input",
                "block_id": "why",
                "optional": True,
                "label": _plain(WHY),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "reason",
                    "multiline": True,
                    "max_length": LONGEST_REASON,
                },
            }
        ],
    }


def reason_of(body: _Json, tenant: str, at: float) -> Press | None:
    """Read what somebody wrote into the modal; None where it is odd, or empty."""
    try:
        view = body["view"]
        reason = view["state"]["values"]["why"]["reason"]["value"]
        kept = json.loads(view["private_metadata"])
        channel, root = str(kept["channel"]), str(kept["key"]).partition(":")[2]
        if not isinstance(reason, str) or not reason.strip():
            return None
        return Press(
            platform=PLATFORM,
            tenant=tenant,
            channel=channel,
            thread=thread_ref(tenant, channel, root) if root else None,
            message=MessageId(str(kept["ts"])),
            user=str(body["user"]["id"]),
            turn=TurnId(int(kept["turn"])),
            button=Button.UNHELPFUL,
            at=at,
            reason=reason,
        )
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


# --- blocks ---------------------------------------------------------------------------------------


def _is_row(block: object) -> bool:
    return not isinstance(block, Mapping) or block.get("type") in _ROWS


def _section(text: str) -> dict[str, Any]:
    # Verbatim: names of channels and people in plain text stay what they are.
    mrkdwn = {"type": "mrkdwn", "text": text, "verbatim": True}
    return {"type": "section", "text": mrkdwn, "expand": True}


def _feedback(turn: TurnId) -> dict[str, Any]:
    return {
        "type": "feedback_buttons",
        "action_id": "docent:feedback",
        "positive_button": _verdict(Button.HELPFUL, turn, "This reply was helpful"),
        "negative_button": _verdict(Button.UNHELPFUL, turn, "This reply was not helpful"),
    }


def _verdict(button: Button, turn: TurnId, spoken: str) -> dict[str, Any]:
    value = {"text": _plain(LABELS[button]), "value": f"{button}:{turn}"}
    return value | {"accessibility_label": spoken}


def _button(button: Button, turn: TurnId) -> dict[str, Any]:
    made = {
        "type": "button",
        "action_id": f"docent:{button}",
        "text": _plain(LABELS[button]),
        "value": f"{button}:{turn}",
    }
    return made | ({"style": _STYLES[button]} if button in _STYLES else {})


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _end(text: str) -> int:
    """Where to cut a text that is too long for one section."""
    for mark in ("\n", " "):
        end = text.rfind(mark, LONGEST_SECTION // 2, _ROOM)
        if end > 0 and not _is_within(text, end):
            return end
    end = _ROOM
    opened = _opened(text, end)
    return opened if opened > LONGEST_SECTION // 2 else end


def _is_within(text: str, end: int) -> bool:
    return _opened(text, end) >= 0


def _opened(text: str, end: int) -> int:
    """Where a link or an entity begins that goes on behind `end`; -1 where there is none."""
    begun = text.rfind("<", 0, end)
    if begun > text.rfind(">", 0, end) and text.find(">", end) >= 0:
        return begun
    entity = re.search(r"&[a-z]{0,4}\Z", text[max(0, end - 5) : end])
    return end - len(entity[0]) if entity else -1
