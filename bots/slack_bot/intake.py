"""Which request of Slack goes to whom, and what is done before it is acknowledged.

How requests get here is the matter of `socket_mode` and `http_mode`. Commands and presses go
through the bolt app. Events need nothing of it but the check of a signature, and it takes longer
for one than all else: over a websocket, which nobody else can write to, they go to `Events`.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize

from bots.gaps_order import COMMAND
from bots.slack_bot.agent_view import AgentView
from bots.slack_bot.api import Bot, SlackApi, sdk_log
from bots.slack_bot.buttons import ACTIONS, REASON
from bots.slack_bot.commands import ASK, Commands
from bots.slack_bot.door import Door
from bots.slack_bot.events import Overheard, read_event
from bots.slack_bot.gaps import Gaps
from bots.slack_bot.presses import ASK_ABOUT, Presses
from bots.slack_bot.refreshes import REFRESH, Refreshes
from core.domain import ThreadRef
from core.errors import StoreError
from core.mishaps import log_mishap

log = logging.getLogger(__name__)

UNKNOWN_COMMAND: Final = "I do not know this command."


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """Takes what Slack tells of the workspace."""

    bot: Bot
    door: Door
    agent_view: AgentView
    on_failure: Callable[[], None]  #: hears of each event that was not written down
    #: takes what was missed in a thread, as far as that is quickly done
    catch_up: Callable[[ThreadRef], Awaitable[None]]

    async def take(self, body: dict[str, Any]) -> None:
        """Write an event down; whoever raises has not, and Slack has to deliver it again."""
        self.agent_view.hear(body.get("event"))
        heard = read_event(body, self.bot.user)
        if heard is None:
            return
        try:
            if isinstance(heard, Overheard):  # what was said before decides whom it is for
                await self.catch_up(heard.remark.mention.thread)
            await self.door.hand_over(heard, shared=bool(body.get("is_ext_shared_channel")))
        except Exception:
            self.on_failure()
            raise


@dataclass(frozen=True, slots=True)
class Intake:
    """Where requests go: events straight to where they are taken, all else through bolt."""

    app: AsyncApp
    events: Events


def build_app(
    api: SlackApi,
    bot: Bot,
    events: Events,
    commands: Commands,
    refreshes: Refreshes,
    presses: Presses,
    gaps: Gaps,
    signing_secret: str | None,
) -> AsyncApp:
    """Put the bolt app together; it answers 200 to what was written down, and else 500.

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

    _listen(app, events, commands, refreshes, presses, gaps)
    app.error(complain)
    return app


def _listen(
    app: AsyncApp,
    events: Events,
    commands: Commands,
    refreshes: Refreshes,
    presses: Presses,
    gaps: Gaps,
) -> None:
    """Say who takes what. Bolt acknowledges nothing that matches no listener."""

    @app.event(re.compile(""))
    async def take(body: dict[str, Any]) -> None:
        await events.take(body)

    app.command(ASK)(commands.ask)
    app.command(REFRESH)(refreshes.command)
    app.command(COMMAND)(gaps.command)
    app.action(re.compile("refresh:.*"))(refreshes.press)
    app.action(ACTIONS)(presses.press)
    app.view(REASON)(presses.reason)
    app.message_shortcut(ASK_ABOUT)(presses.ask_about)

    @app.command(re.compile(""))
    async def unknown(ack: AsyncAck) -> None:
        await ack(text=UNKNOWN_COMMAND, response_type="ephemeral")

    # A message of an app that had this token before may have other buttons.
    @app.action(re.compile(""))
    @app.shortcut(re.compile(""))
    async def nothing(ack: AsyncAck) -> None:
        await ack()


async def complain(error: Exception) -> None:
    """Put into the log why a request failed, without what it says."""
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
