"""The bolt app: which request of Slack goes to whom, and what is done before it is acknowledged.

How requests get here is the matter of `socket_mode` and `http_mode`.
"""

import logging
import re
from collections.abc import Callable
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize

from bots.slack_bot.api import Bot, SlackApi, sdk_log
from bots.slack_bot.commands import ASK, Commands
from bots.slack_bot.events import Asked, Deleted, Edited, Heard, read_event
from bots.slack_bot.refreshes import REFRESH, Refreshes
from core.errors import StoreError
from core.mishaps import log_mishap
from core.ports import Reception

log = logging.getLogger(__name__)

UNKNOWN_COMMAND: Final = "I do not know this command."


def build_app(
    api: SlackApi,
    bot: Bot,
    reception: Reception,
    commands: Commands,
    refreshes: Refreshes,
    signing_secret: str | None,
    on_failure: Callable[[], None],
) -> AsyncApp:
    """Put the bolt app together; it answers 200 to what was written down, and else 500.

    `on_failure` hears of each event that was not written down.

    Bolt acknowledges an event before its listener runs, unless `process_before_response` is set:
    with it, a listener that raises leaves the event unacknowledged and Slack delivers it again.
    """
    app = AsyncApp(
        name="slack_bolt.app",
        logger=sdk_log("slack_bolt"),
        process_before_response=True,
        # A client without a token, and who we are told by `authorize`: bolt would else take the
        # token from the environment, or turn to OAuth where that holds a client id and secret.
        client=api.web_client(),
        authorize=_Installed(bot),
        signing_secret=signing_secret or "",
        # Bolt would take the deletion of a message of ours for an event of our own.
        ignoring_self_events_enabled=False,
        attaching_conversation_kwargs_enabled=False,
        attaching_function_token_enabled=False,
    )

    _listen(app, bot, reception, commands, refreshes, on_failure)
    app.error(_complain)
    return app


async def hand_over(reception: Reception, heard: Heard) -> None:
    """Tell core what was heard. Raises StoreError."""
    match heard:
        case Asked(mention):
            await reception.take(mention)
        case Edited(mention):
            await reception.edit(mention)
        case Deleted(message):
            await reception.withdraw(message)


def _listen(
    app: AsyncApp,
    bot: Bot,
    reception: Reception,
    commands: Commands,
    refreshes: Refreshes,
    on_failure: Callable[[], None],
) -> None:
    """Say who takes what. Bolt acknowledges nothing that matches no listener."""

    @app.event(re.compile(""))
    async def take(body: dict[str, Any]) -> None:
        heard = read_event(body, bot.user)
        if heard is None:
            return
        try:
            await hand_over(reception, heard)
        except Exception:
            on_failure()
            raise

    app.command(ASK)(commands.ask)
    app.command(REFRESH)(refreshes.command)
    app.action(re.compile("refresh:.*"))(refreshes.press)

    @app.command(re.compile(""))
    async def unknown(ack: AsyncAck) -> None:
        await ack(text=UNKNOWN_COMMAND, response_type="ephemeral")

    # A message of an app that had this token before may have other buttons.
    @app.action(re.compile(""))
    @app.shortcut(re.compile(""))
    async def nothing(ack: AsyncAck) -> None:
        await ack()


async def _complain(error: Exception) -> None:
    if isinstance(error, StoreError):
        # Without its causes: a database's error quotes the row.
        log.error(
            "event not written down, so Slack delivers it again", extra={"reason": str(error)}
        )
    else:
        log_mishap(log, "A request of Slack failed", error)


class _Installed(AsyncAuthorize):
    """Knows the one workspace; bolt would ask Slack again for each of the first events."""

    def __init__(self, bot: Bot) -> None:
        self._result = AuthorizeResult(
            enterprise_id=bot.enterprise,
            team_id=bot.team,
            bot_user_id=bot.user,
            bot_id=bot.bot_id,
        )

    async def __call__(self, **_: Any) -> AuthorizeResult:
        return self._result
