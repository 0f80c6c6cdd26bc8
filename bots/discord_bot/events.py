"""From a message to a Mention, or None where it asks the bot nothing; names of threads. Pure.

A thread made from a message has the message's id. So the thread of a question in a channel has its
name before it exists, and a question asked inside it later has the same one.
"""

import re
from dataclasses import replace
from typing import Final

import discord

from bots.discord_bot.attached import attached, attachments_of
from core.domain import Mention, MessageId, MessageRef, Remark, ThreadRef

PLATFORM: Final = "discord"

Channel = (
    discord.abc.GuildChannel
    | discord.Thread
    | discord.DMChannel
    | discord.GroupChannel
    | discord.PartialMessageable
)

_DIRECT: Final = "@me"
_PRIVATE: Final = "private"
_THREAD_NAME_LENGTH: Final = 80  # Discord takes 100
_READ_TYPES: Final = (discord.MessageType.default, discord.MessageType.reply)
_TOKEN: Final = re.compile(
    r"<(?:@!?(?P<user>\d+)|@&(?P<role>\d+)|#(?P<channel>\d+)|a?(?P<emoji>:\w+:)\d+)>"
)


def thread_of(channel: Channel, message: int) -> ThreadRef:
    """Name the thread of a message: the one it stands in, or the one that is made from it."""
    match channel:
        case discord.DMChannel() | discord.GroupChannel():
            return ThreadRef(platform=PLATFORM, tenant="", key=f"{_DIRECT}/{channel.id}")
        case discord.Thread():
            key = f"{channel.parent_id}/{channel.id}"
        case _:
            key = f"{channel.id}/{message}"
    return ThreadRef(platform=PLATFORM, tenant=str(_guild_id(channel)), key=key)


def place_of(thread: ThreadRef) -> tuple[int | None, int]:
    """Read a thread's name: the channel it hangs in (None for direct messages), and its own id.

    Of one that `is_private`: the same for the place where it was asked, or that channel twice.
    """
    parent, place, *_ = thread.key.split("/")
    return (None if parent == _DIRECT else int(parent)), int(place)


def private_ref(channel: Channel, number: int) -> ThreadRef:
    """Name what one person is told alone in a channel or thread: Discord knows no thread there."""
    parent = parent_of(channel) or channel.id
    key = f"{parent}/{channel.id}/{_PRIVATE}/{number}"
    return replace(thread_of(channel, number), key=key)


def is_private(thread: ThreadRef) -> bool:
    """Whether a thread is one person's alone, in a place where others are."""
    return f"/{_PRIVATE}/" in thread.key


def is_addressed(message: discord.Message, me: discord.ClientUser) -> bool:
    """Say whether somebody speaks to the bot: by a mention, a reply that pings, or directly.

    A mention of everyone does not. Other bots do, too: whether they may is not decided here.
    """
    if message.author.id == me.id or message.type not in _READ_TYPES:
        return False
    if isinstance(message.channel, discord.DMChannel):
        return not is_of_bot(message) and not _is_empty(message)
    return me in message.mentions or _own_role(message) in message.role_mentions


def is_of_bot(message: discord.Message) -> bool:
    """Say whether a program wrote it, by an account or a webhook of its own."""
    return message.author.bot or message.webhook_id is not None


def is_remark(message: discord.Message, me: discord.ClientUser) -> bool:
    """Say whether a person says something in a thread without speaking to the bot.

    A channel that discord.py does not know is no thread: each message in it would cost a call.
    """
    if not isinstance(message.channel, discord.Thread) or message.type not in _READ_TYPES:
        return False
    return not is_of_bot(message) and not is_addressed(message, me)


def is_hidden(message: discord.Message) -> bool:
    """Say whether Discord kept the text back, as it does without the message content intent.

    It never does for a mention by name. A reply that pings is kept back where it replies to a
    command's response; whether a mention of the bot's role is, Discord does not say.
    """
    return _is_empty(message) and not message.stickers


def mention_of(message: discord.Message, me: discord.ClientUser) -> Mention | None:
    """Read a message as what it asks the bot; None where it asks nothing.

    A mention and nothing more is a Mention with an empty text.
    """
    return _mention_of(message, me) if is_addressed(message, me) else None


def remark_of(
    message: discord.Message, me: discord.ClientUser, *, hidden: bool, edited: bool = False
) -> Remark:
    """Read a message that `is_remark`; of an edited one, `at` is when it was edited."""
    mention = _mention_of(message, me)
    if edited and message.edited_at is not None:
        mention = replace(mention, at=message.edited_at.timestamp())
    others = _addresses_others(message, me)
    return Remark(mention=mention, to_others=others, edited=edited, hidden=hidden)


def ids_of_roles(person: discord.abc.User) -> tuple[str, ...]:
    """The roles of a member; () where nothing is known of them."""
    roles = getattr(person, "roles", ())
    return tuple(str(role.id) for role in roles if not role.is_default())


def parent_of(channel: discord.abc.Snowflake) -> str:
    """The channel that a thread hangs in; "" where it is no thread."""
    return str(channel.parent_id) if isinstance(channel, discord.Thread) else ""


def _mention_of(message: discord.Message, me: discord.ClientUser) -> Mention:
    author, hook = str(message.author.id), message.webhook_id
    return Mention(
        thread=thread_of(message.channel, message.id),
        channel=str(message.channel.id),
        message=MessageId(str(message.id)),
        author=author,
        text=asked_text(message, me),
        at=message.created_at.timestamp(),
        files=attached(attachments_of(message), message.channel.id, message.id),
        parent=parent_of(message.channel),
        direct=isinstance(message.channel, discord.DMChannel),
        bot=tuple(dict.fromkeys((author, str(hook or author)))) if is_of_bot(message) else (),
        roles=ids_of_roles(message.author),
    )


def _is_empty(message: discord.Message) -> bool:
    return not (message.content or message.attachments or message.message_snapshots)


def _addresses_others(message: discord.Message, me: discord.ClientUser) -> bool:
    """Say whether it mentions people, a role or everyone, or replies to somebody else."""
    ours = {me.id, message.author.id}
    if message.mention_everyone or any(user.id not in ours for user in message.mentions):
        return True
    own = _own_role(message)
    if any(own is None or role != own.id for role in message.raw_role_mentions):
        return True  # also one that is not in the cache, which `role_mentions` leaves out
    replied = message.reference.resolved if message.reference else None
    return isinstance(replied, discord.Message) and replied.author.id not in ours


def edit_of(message: discord.Message, me: discord.ClientUser) -> Mention | None:
    """Read a message that a person edited, as `mention_of` does; `at` is when it was edited.

    Discord changes messages by itself, too: it unfolds links, pins, opens threads.
    """
    mention = mention_of(message, me)
    if mention is None or mention.bot or message.edited_at is None:
        return None  # bots edit while they write: what they ask is not asked once more
    return replace(mention, at=message.edited_at.timestamp())


def ref_of(guild: int | None, channel: int, message: int) -> MessageRef:
    """Name a message of which nothing is known but its ids, as its mention does."""
    return MessageRef(
        platform=PLATFORM,
        tenant="" if guild is None else str(guild),
        channel=str(channel),
        message=MessageId(str(message)),
    )


def question_of(message: discord.Message, me: discord.ClientUser) -> str:
    """The text of a message as people read it: names instead of ids, without the bot's own."""
    names = {user.id: user.display_name for user in message.mentions}
    guild, own_role = message.guild, _own_role(message)

    def name(token: re.Match[str]) -> str:
        match token.lastgroup, token[token.lastgroup or 0]:
            case "emoji", emoji:
                return emoji
            case "user", user:
                return "" if int(user) == me.id else f"@{names.get(int(user), 'somebody')}"
            case "role", number:
                role = guild.get_role(int(number)) if guild else None
                return "" if role and role == own_role else f"@{role.name if role else 'somebody'}"
            case _, number:
                channel = guild.get_channel_or_thread(int(number)) if guild else None
                return f"#{channel.name if channel else 'channel'}"

    return _TOKEN.sub(name, message.content).strip()


def asked_text(message: discord.Message, me: discord.ClientUser) -> str:
    """The text of a message, and of what it forwards: that has none of its own."""
    forwarded = (snapshot.content for snapshot in message.message_snapshots)
    return "\n".join(filter(None, (question_of(message, me), *forwarded))).strip()


def thread_name(question: str, asker: str) -> str:
    """The name of the thread that is made for a question."""
    text = " ".join(question.split()) or f"Question from {asker}"
    if len(text) <= _THREAD_NAME_LENGTH:
        return text
    return text[: _THREAD_NAME_LENGTH - 1].rstrip() + "…"


def _guild_id(
    channel: discord.abc.GuildChannel | discord.Thread | discord.PartialMessageable,
) -> int | None:
    """The server's id. The message itself does not know it while the server is not in the cache."""
    return channel.guild_id if isinstance(channel, discord.PartialMessageable) else channel.guild.id


def _own_role(message: discord.Message) -> discord.Role | None:
    """The role that Discord made for the bot when it was invited."""
    return message.guild.self_role if message.guild else None
