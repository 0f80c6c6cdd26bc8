"""/refresh-docs, and the buttons under what it found: acknowledged within 3 s, told to one person.

What is known at once (a refusal, a refresh of somebody else, one that is over) is the response. All
else is an edit of it, for 15 minutes; what comes later is a direct message.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, cast

import discord
from discord import app_commands

from bots.discord_bot.connection import CALL_SECONDS, calls
from bots.discord_bot.events import PLATFORM
from bots.discord_bot.hints import tell
from bots.refresh_order import (
    Button,
    Order,
    Outcome,
    asked_by,
    carry_out,
    find_source,
    is_button,
    key_of,
    order_of,
    soon,
)
from bots.refresh_text import progress_line
from core.documents import RefreshProgress
from core.errors import PlatformError
from core.reception import Reception
from core.text import shortened

EDIT_EVERY: Final = 2.0  # seconds; Discord takes about five edits in five seconds
LAST_EDIT: Final = timedelta(minutes=1)  # before a response can be edited no more
_EDIT_SECONDS: Final = 5.0  # a progress line that takes longer is not worth the wait
_MESSAGE_LENGTH: Final = 2_000
_CHOICES: Final = 25
_CHOICE_LENGTH: Final = 100
_REMEMBERED: Final = 1_000  # questions whose button was pressed

_REMOVING: Final = "Reading the documentation again, to remove what is gone …"
_STOPPED: Final = "The bot is stopping, and the refresh with it. Please start it again later."
_LATER: Final = "This takes longer than Discord lets me show it here. I will write to you directly."
_NO_BUTTONS: Final = "To remove them, use /refresh-docs again, or `docent refresh --yes`."

log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], object]
_Interaction = discord.Interaction[discord.Client]


class Refreshes:
    """What the command and the buttons do. `start` runs work for as long as the bot takes any."""

    def __init__(self, client: discord.Client, reception: Reception, start: Start) -> None:
        self._client = client
        self._reception = reception
        self._start = start
        self._pressed: dict[str, None] = {}  # questions whose button is pressed, the oldest first

    def command(self, interaction: _Interaction, source: str) -> None:
        """Somebody asks for a refresh."""
        user = str(interaction.user.id)
        chosen = find_source(source, self._reception.sources())
        order = Order(platform=PLATFORM, user=user, source=chosen)
        self._start(self._command(interaction, order))

    async def choices(self, current: str) -> list[app_commands.Choice[str]]:
        """The sources that somebody may mean who has typed so much."""
        fit = [name for name in self._reception.sources() if current.casefold() in name.casefold()]
        return [
            app_commands.Choice(
                name=shortened(name, _CHOICE_LENGTH),
                value=name if len(name) <= _CHOICE_LENGTH else key_of(name),
            )
            for name in fit[:_CHOICES]
        ]

    async def on_interaction(self, interaction: _Interaction) -> None:
        """Somebody did something with a command or a button; only our buttons matter here."""
        if interaction.type is not discord.InteractionType.component:
            return
        button = cast("dict[str, object]", interaction.data or {}).get("custom_id")
        if isinstance(button, str) and is_button(button) and interaction.message:
            self._start(self._press(interaction, interaction.message, button))

    async def _command(self, interaction: _Interaction, order: Order) -> None:
        async def defer() -> None:
            await interaction.response.defer(thinking=True, ephemeral=True)

        async def respond(outcome: Outcome) -> None:
            await interaction.response.send_message(
                _shown(outcome), view=_view(outcome) or discord.utils.MISSING, ephemeral=True
            )

        await self._carry_out(interaction, order, defer, respond)

    async def _press(
        self, interaction: _Interaction, message: discord.Message, button: str
    ) -> None:
        """Do what the button says, once for each question."""
        # Once pressed, the message may ask about other pages, with other buttons.
        question = f"{message.id}:{asked_by(button)}"

        async def update(text: str, view: discord.ui.View | None = None) -> None:
            await interaction.response.edit_message(content=text, view=view)

        async def respond(outcome: Outcome) -> None:
            if outcome.begun:
                await update(_shown(outcome), _view(outcome))
                return
            self._pressed.pop(question, None)  # the question stays
            await interaction.response.send_message(_shown(outcome), ephemeral=True)

        if question in self._pressed:
            await self._try(interaction.response.defer())
            return
        if len(self._pressed) >= _REMEMBERED:
            del self._pressed[next(iter(self._pressed))]
        self._pressed[question] = None
        user = str(interaction.user.id)
        order = order_of(button, PLATFORM, user, self._reception.sources())
        if isinstance(order, Outcome):
            await self._try(update(_shown(order)))
        else:
            await self._carry_out(interaction, order, lambda: update(_REMOVING), respond)

    async def _carry_out(
        self,
        interaction: _Interaction,
        order: Order,
        acknowledge: Callable[[], Awaitable[None]],
        respond: Callable[[Outcome], Awaitable[None]],
    ) -> None:
        """Refresh, and respond: with the outcome where it comes soon, else with how it goes."""
        told = _Progress(self._client, interaction)
        try:
            async with asyncio.TaskGroup() as tasks:
                run = tasks.create_task(carry_out(self._reception, order, told.show))
                outcome = await soon(run)
                if outcome is None:
                    with suppress(PlatformError):  # without a reply nobody knows whether it worked
                        async with calls(self._client):
                            await acknowledge()
                    told.open = True
        except asyncio.CancelledError:
            await told.edit(_STOPPED)
            raise
        if outcome is None or not await self._try(respond(outcome)):
            await self._tell(interaction, run.result())

    async def _try(self, call: Awaitable[object]) -> bool:
        """Make a call; whether it worked."""
        try:
            async with calls(self._client):
                await call
        except PlatformError as error:
            log.info("A command could not be responded to", extra={"error": str(error)})
            return False
        return True

    async def _tell(self, interaction: _Interaction, outcome: Outcome) -> None:
        """Say how it ended: in the response, else to the person, else in the channel."""
        text, view = _shown(outcome), _view(outcome)
        if not interaction.is_expired() and await self._try(
            interaction.edit_original_response(content=text, view=view)
        ):
            return
        message = interaction.message
        if (
            message
            and not message.flags.ephemeral
            and await self._try(message.edit(content=text, view=view))
        ):
            return
        if await tell(self._client, interaction.user.id, text, view):
            return
        if isinstance(interaction.channel, discord.abc.Messageable):
            # Where others see it there are no buttons to press.
            text = shortened(f"{text}\n{_NO_BUTTONS}", _MESSAGE_LENGTH) if outcome.buttons else text
            await self._try(interaction.channel.send(text, suppress_embeds=True))


class _Progress:
    """Shows progress in the response, not too often; says so before that is no longer possible."""

    def __init__(self, client: discord.Client, interaction: _Interaction) -> None:
        self._client = client
        self._interaction = interaction
        self._shown_at = -EDIT_EVERY
        self._over = False
        self.open = False  #: there is a response to be edited

    async def show(self, progress: RefreshProgress) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if not self.open or self._over or now - self._shown_at < EDIT_EVERY:
            return
        if self._interaction.is_expired():
            return
        self._shown_at = now
        text = _plain(progress_line(progress))
        if self._interaction.expires_at - discord.utils.utcnow() < LAST_EDIT:
            self._over = True
            text = f"{text}\n{_LATER}"
        await self.edit(text)

    async def edit(self, text: str) -> None:
        """Let the response say this, if Discord takes it."""
        with suppress(PlatformError):
            async with calls(self._client, min(_EDIT_SECONDS, CALL_SECONDS)):
                await self._interaction.edit_original_response(content=text, view=None)


def _view(outcome: Outcome) -> discord.ui.View | None:
    """The buttons of an outcome. Its presses come as events, also after a restart."""
    if not outcome.buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in outcome.buttons:
        view.add_item(_button(button))
    view.stop()  # discord.py would else wait for the presses itself, in this process only
    return view


def _button(button: Button) -> discord.ui.Button[discord.ui.View]:
    red, grey = discord.ButtonStyle.danger, discord.ButtonStyle.secondary
    return discord.ui.Button(
        label=button.label, custom_id=button.id, style=red if button.dangerous else grey
    )


def _shown(outcome: Outcome) -> str:
    return shortened(_plain(outcome.text), _MESSAGE_LENGTH)


def _plain(text: str) -> str:
    """Text that Discord shows as it is, whatever stands in it."""
    return discord.utils.escape_markdown(text)
