"""Replies with buttons, those whom a post tags, and presses read out of interactions. Pure.

What a button does is in its custom id, which Discord keeps with the message. So a press of one that
was posted before a restart, or by another process, reads the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import discord

from bots.discord_bot.events import PLATFORM, thread_of
from bots.press_order import LABELS, WHY
from core.domain import Button, MessageId, Post, TurnId
from core.feedback import LONGEST_REASON
from core.press import Press

_EMOJI: Final = {Button.HELPFUL: "👍", Button.UNHELPFUL: "👎"}
_STYLES: Final = {
    Button.STOP: discord.ButtonStyle.danger,
    Button.CONFIRM: discord.ButtonStyle.primary,
}
_CUSTOM_ID: Final = re.compile(r"docent:([a-z]+):(\d{1,18})")
_REASON: Final = re.compile(r"docent:why:(\d{1,18}):(\d{1,20})")

Interaction = discord.Interaction[discord.Client]


def view_of(post: Post) -> discord.ui.View | None:
    """The buttons of a post; None where it has none."""
    if not post.buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in post.buttons:
        view.add_item(
            discord.ui.Button(
                label=LABELS[button],
                emoji=_EMOJI.get(button),
                style=_STYLES.get(button, discord.ButtonStyle.secondary),
                custom_id=_id_of(button, post),
            )
        )
    view.stop()  # discord.py would else wait for the presses itself, in this process only
    return view


def stop_id(post: Post) -> str:
    """The custom id of the button that stands under what is still being written of a post."""
    return _id_of(Button.STOP, post)


def is_draft(message: discord.Message, post: Post) -> bool:
    """Say whether a message is what there was of the answer: it has the button that stops it.

    Discord may leave the field out of a message without buttons; discord.py sets no attribute then.
    """
    return stop_id(post) in {
        getattr(button, "custom_id", None)
        for row in getattr(message, "components", ())
        for button in getattr(row, "children", ())
    }


def text_of(post: Post) -> str:
    """The text of a post behind those whom it tags: roles by `&` and their id, people by theirs."""
    return " ".join((*(f"<@{one}>" for one in post.people), post.text)).strip()


def pings_of(post: Post) -> discord.AllowedMentions:
    """Exactly those whom a post tags may be pinged by it, whatever its text says."""
    roles = [discord.Object(int(one[1:])) for one in post.people if one.startswith("&")]
    people = [discord.Object(int(one)) for one in post.people if not one.startswith("&")]
    return discord.AllowedMentions(everyone=False, users=people, roles=roles, replied_user=False)


def _id_of(button: Button, post: Post) -> str:
    return f"docent:{button}:{post.turn}"


def press_of(interaction: Interaction) -> Press | None:
    """Read a press; None where it is of another button."""
    if interaction.type is not discord.InteractionType.component or interaction.message is None:
        return None
    found = _CUSTOM_ID.fullmatch(str(_data(interaction).get("custom_id")))
    if found is None or found[1] not in list(Button):
        return None
    return _press(interaction, TurnId(int(found[2])), Button(found[1]), interaction.message.id)


def reason_of(interaction: Interaction) -> Press | None:
    """Read what somebody wrote into the modal that asks why; None where it is another one."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    data = _data(interaction)
    found = _REASON.fullmatch(str(data.get("custom_id")))
    if found is None:
        return None
    reason = _text_in(data.get("components"))
    return _press(
        interaction, TurnId(int(found[1])), Button.UNHELPFUL, int(found[2]), reason=reason
    )


def reason_modal(press: Press) -> discord.ui.Modal:
    """The modal that asks why a reply did not help."""
    modal = discord.ui.Modal(
        title="Not helpful", timeout=None, custom_id=f"docent:why:{press.turn}:{press.message}"
    )
    modal.add_item(
        discord.ui.TextInput[discord.ui.Modal](
            label=WHY,
            style=discord.TextStyle.paragraph,
            custom_id="reason",
            required=False,
            max_length=LONGEST_REASON,
        )
    )
    modal.stop()  # as for the buttons: what is sent comes as an event
    return modal


def _press(
    interaction: Interaction, turn: TurnId, button: Button, message: int, *, reason: str = ""
) -> Press | None:
    channel = interaction.channel
    if channel is None:
        return None  # of a kind that discord.py does not know yet
    thread = None
    # What only one person sees is in no thread, wherever it is shown.
    alone = interaction.message is not None and interaction.message.flags.ephemeral
    if not alone and isinstance(channel, discord.Thread | discord.DMChannel | discord.GroupChannel):
        thread = thread_of(channel, message)
    direct = isinstance(channel, discord.DMChannel | discord.GroupChannel)
    return Press(
        platform=PLATFORM,
        tenant="" if direct else str(interaction.guild_id or ""),
        channel=str(channel.id),
        thread=thread,
        message=MessageId(str(message)),
        user=str(interaction.user.id),
        turn=turn,
        button=button,
        at=interaction.created_at.timestamp(),
        reason=reason,
    )


def _data(interaction: Interaction) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", interaction.data or {})


def _text_in(components: object) -> str:
    """The value of the one text input in a modal's components, however they are nested."""
    if isinstance(components, list):
        return next(filter(None, map(_text_in, components)), "")
    if not isinstance(components, Mapping):
        return ""
    value = components.get("value")
    if components.get("custom_id") == "reason" and isinstance(value, str):
        return value
    return _text_in(components.get("components")) or _text_in(components.get("component"))
