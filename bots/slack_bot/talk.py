"""What people said in a thread, for a question that is asked in the middle of it."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bots.slack_bot.api import LARGEST_PAGE, Bot, SlackApi, is_ours
from bots.slack_bot.events import place, seconds
from bots.slack_bot.mrkdwn import plain, text_of_blocks, without_mention
from core.domain import MessageId, Said, ThreadRef

MOST_PAGES: Final = 5  #: of a thread, the oldest first: Slack gives them in no other order
_SPOKEN: Final = (None, "file_share", "thread_broadcast", "bot_message", "me_message")
_PERSON: Final = re.compile(r"@([UW][A-Z0-9]+)\b")
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"

_Json = Mapping[str, Any]


async def read_talk(
    api: SlackApi, bot: Bot, thread: ThreadRef, after: MessageId | None, before: str, limit: int
) -> Sequence[Said]:
    """See `Platform.talk`. Names of people cost a request each: they are told apart by letters."""
    channel, root = place(thread)
    if root == before:
        return ()
    since, until = float(after or 0), float(before)
    found: list[_Json] = []
    cursor = None
    for _ in range(MOST_PAGES):
        page = await api.replies(
            channel, root, oldest=after or root, limit=LARGEST_PAGE, cursor=cursor
        )
        times = [seconds(message.get("ts")) or until for message in page.items]
        found += [
            message
            for message, at in zip(page.items, times, strict=True)
            if since < at < until and _counts(message, bot)
        ]
        cursor = page.cursor
        if not cursor or any(at >= until for at in times):
            break
    said = [_said(message, bot) for message in found]
    if len(said) <= limit:
        return said
    is_root = after is None and found[0].get("ts") == root
    return [said[0], *said[len(said) - limit + 1 :]] if is_root else said[-limit:]


def label(user: str) -> str:
    """What a person is called whose name is not known: the same always, and telling nothing."""
    number = int.from_bytes(hashlib.sha256(user.encode()).digest()[:4])
    first, second = divmod(number % len(_LETTERS) ** 2, len(_LETTERS))
    return f"Person {_LETTERS[first]}{_LETTERS[second]}"


def _counts(message: _Json, bot: Bot) -> bool:
    """Whether somebody else than we said something."""
    if message.get("subtype") not in _SPOKEN or message.get("hidden"):
        return False
    return not is_ours(message, bot) and bool(_text(message, bot))


def _said(message: _Json, bot: Bot) -> Said:
    text = _PERSON.sub(lambda found: f"@{label(found[1])}", _text(message, bot))
    return Said(speaker=_speaker(message), text=text, at=seconds(message.get("ts")) or 0.0)


def _text(message: _Json, bot: Bot) -> str:
    text = message.get("text")
    raw = text if isinstance(text, str) and text else text_of_blocks(message.get("blocks"))
    return plain(without_mention(raw, bot.user)).strip()


def _speaker(message: _Json) -> str:
    """The name that comes with a message, as those of apps and of outsiders do; else a label."""
    for source in (message, message.get("user_profile"), message.get("bot_profile")):
        if isinstance(source, Mapping):
            for name in ("username", "display_name", "real_name", "name"):
                if isinstance(source.get(name), str) and source[name].strip():
                    return str(source[name])
    return label(str(message.get("user") or message.get("bot_id") or ""))
