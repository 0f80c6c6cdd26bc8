"""Slack's agent view: questions to begin with, and titles for threads of direct messages.

Both are for apps that are declared as agents, and both are extras: they are made beside the work,
and what Slack refuses once is done without from then on.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bots.slack_bot.api import SlackApi
from bots.slack_bot.errors import translated, within
from bots.slack_bot.events import place
from core.domain import Mention
from core.errors import PlatformError, PlatformRefused, TokenRefused

log = logging.getLogger(__name__)

#: The event that says that somebody opened the direct messages; only agents need it.
OPENED: Final = "app_home_opened"
SET_PROMPTS: Final = "assistant.threads.setSuggestedPrompts"
SET_TITLE: Final = "assistant.threads.setTitle"
SCOPE: Final = "assistant:write"  #: what both of them need

CALL_SECONDS: Final = 5.0
#: Characters. Slack names no limit for these two; elsewhere, titles of agents' threads end at 200.
LONGEST_TITLE: Final = 80
LONGEST_PROMPT_TITLE: Final = 75

_Json = Mapping[str, Any]


class AgentView:
    """What the agent view of one workspace shows. The calls run in the task group."""

    def __init__(self, api: SlackApi, prompts: Sequence[str], tasks: asyncio.TaskGroup) -> None:
        self._api = api
        self._prompts = list(map(suggestion, prompts))
        self._tasks = tasks
        self._refused: set[str] = set()
        self._at_work: set[asyncio.Task[None]] = set()

    def hear(self, event: object) -> None:
        """Suggest questions where the event says that somebody opened the direct messages."""
        channel = _opened_in(event)
        if channel is not None and self._prompts:
            self._call_soon(SET_PROMPTS, {"channel_id": channel, "prompts": self._prompts})

    def taken(self, mention: Mention) -> None:
        """Let a question with which a thread of direct messages begins be its title."""
        channel, root = place(mention.thread)
        title = title_of(mention.text)
        if mention.direct and root == mention.message and title:
            call = {"channel_id": channel, "thread_ts": root, "title": title}
            self._call_soon(SET_TITLE, call)

    def finish(self) -> None:
        """Leave what is not done yet: nobody misses it."""
        for task in self._at_work:
            task.cancel()

    def _call_soon(self, method: str, arguments: dict[str, Any]) -> None:
        if method not in self._refused:
            call = self._call(method, arguments)
            task = self._tasks.create_task(call, name="slack agent view")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def _call(self, method: str, arguments: dict[str, Any]) -> None:
        try:
            async with within(CALL_SECONDS):
                with translated():
                    # Not by the SDK's own methods: one of them puts the title, which is somebody's
                    # question, into the address, where proxies keep it.
                    await self._api.client.api_call(method, json=arguments)
        except PlatformError as error:
            is_lasting = isinstance(error, PlatformRefused) and not isinstance(error, TokenRefused)
            if is_lasting and method not in self._refused:
                # A workspace, a server or an app that is no agent.
                self._refused.add(method)
                log.info("done without from now on", extra={"call": method, "reason": str(error)})


def suggestion(prompt: str) -> dict[str, str]:
    """A question as Slack suggests it: what is shown, and what is asked by pressing it."""
    return {"title": shortened(prompt, LONGEST_PROMPT_TITLE), "message": prompt}


def title_of(question: str) -> str:
    """The title of a thread that begins with a question; "" where the question has no text."""
    return shortened(question, LONGEST_TITLE)


def shortened(text: str, most: int) -> str:
    """Write a text in one line of `most` characters at most, cut between words where it can be."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    head, _, _ = line[:most].rpartition(" ")
    return (head if len(head) > most // 2 else line[: most - 1]).rstrip(" ,;:.") + "…"


def _opened_in(event: object) -> str | None:
    """The direct messages that somebody opened; None for any other event."""
    if not isinstance(event, Mapping) or event.get("type") != OPENED:
        return None
    channel = event.get("channel")
    return channel if event.get("tab") == "messages" and isinstance(channel, str) else None
