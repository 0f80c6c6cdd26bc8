"""Messages of the Slack server that grow: chat.startStream, appendStream and stopStream."""

import time
from collections.abc import Mapping
from typing import Any

from servers.slack_workspace import Channel, Json, SlackError

LONGEST_MARKDOWN = 12_000


class Streams:
    """Which messages are being streamed, and what was done to them."""

    def __init__(self) -> None:
        self.seconds = 300.0  #: after which a stream ends by itself
        self.refusal: str | None = None  #: the code with which streams are refused, if they are
        self.takes_chunks = True
        self.appended: list[tuple[str, str]] = []  #: by the message's ts
        self._began: dict[str, float] = {}
        self._in_chunks: dict[str, bool] = {}

    def is_open(self, ts: str) -> bool:
        """Whether the message is being streamed."""
        began = self._began.get(ts)
        if began is not None and time.monotonic() - began > self.seconds:
            del self._began[ts]
        return ts in self._began

    def check_start(self, channel: Channel, args: Mapping[str, Any]) -> tuple[str, list[Json]]:
        """The text and the blocks that a stream begins with, if it may."""
        if self.refusal:
            raise SlackError(self.refusal)
        if channel.kind != "im":
            for name in ("recipient_user_id", "recipient_team_id"):
                if not args.get(name):
                    raise SlackError(f"missing_{name}")
        if not self.takes_chunks and "chunks" in args:
            raise SlackError("invalid_arguments", "[ERROR] no such argument: chunks")
        return _written(args)

    def begin(self, ts: str, *, in_chunks: bool = False) -> None:
        self._began[ts] = time.monotonic()
        self._in_chunks[ts] = in_chunks

    def append(self, message: Json, args: Mapping[str, Any]) -> str:
        """What a message says with more of it."""
        self.check_open(message["ts"])
        if self._in_chunks[message["ts"]] != ("chunks" in args):
            raise SlackError("streaming_mode_mismatch")
        more, blocks = _written(args)
        if not more or blocks:
            raise SlackError("no_text")
        self.appended.append((message["ts"], more))
        return str(message["text"]) + more

    def stop(self, message: Json, args: Mapping[str, Any]) -> str:
        """What a message says at its end."""
        self.check_open(message["ts"])
        del self._began[message["ts"]]
        return str(message["text"]) + _markdown(args.get("markdown_text"))

    def check_open(self, ts: str) -> None:
        if not self.is_open(ts):
            raise SlackError("message_not_in_streaming_state")

    def check_closed(self, ts: str) -> None:
        if self.is_open(ts):
            raise SlackError("streaming_state_conflict")


def _written(args: Mapping[str, Any]) -> tuple[str, list[Json]]:
    """Text and blocks, which only chunks may hold."""
    if "chunks" not in args:
        return _markdown(args.get("markdown_text")), []
    if "markdown_text" in args:
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    text, blocks = "", list[Json]()
    for chunk in args["chunks"]:
        match chunk:
            case {"type": "markdown_text", "text": str(more), **others} if not others:
                text += more
            case {"type": "blocks", "blocks": [*more_blocks], **others} if not others:
                blocks += more_blocks
            case _:
                raise SlackError("invalid_chunks")
    return _markdown(text), blocks


def _markdown(text: Any) -> str:
    text = text or ""
    if not isinstance(text, str):
        raise SlackError("invalid_arguments", "[ERROR] markdown_text must be a string")
    if len(text) > LONGEST_MARKDOWN:
        raise SlackError("msg_too_long")
    return text
