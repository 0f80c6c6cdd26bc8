"""Python loads this at the start of every process whose PYTHONPATH has this folder.

Where DOCENT_CHAOS names a folder, the process kills itself at a step for which an order lies there:
files `<step>.<platform>.<n>` … `<step>.<platform>.1`, of which each passage through the step takes
one; whoever takes the last one dies.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Method = Callable[..., Awaitable[Any]]

WRITTEN: list[str] = []  # platforms of mentions that are not acknowledged yet
FOLDER = os.environ.get("DOCENT_CHAOS")  # noqa: TID251 (the product's code knows nothing of this)


def reached(step: str, platform: str) -> None:
    """Take one of the orders for this step, and die of the last."""
    assert FOLDER
    for order in sorted(Path(FOLDER).glob(f"{step}.{platform}.[0-9]"), reverse=True):
        try:
            order.unlink()
        except FileNotFoundError:
            continue  # another process took it
        if order.suffix == ".1":
            Path(FOLDER, f"{step}.{platform}.hit").write_text(str(os.getpid()), encoding="ascii")
            os.kill(os.getpid(), signal.SIGKILL)
        return


def note_upload(name: str) -> None:
    """Note a file whose upload is on record."""
    assert FOLDER
    with Path(FOLDER, "recorded").open("a", encoding="ascii") as file:
        file.write(f"{name}\n")


async def read_event(take: Method, self: Any, mention: Any) -> Any:
    """Around Desk.take."""
    reached("event read", mention.thread.platform)
    return await take(self, mention)


async def write_row(take: Method, self: Any, mention: Any, **more: Any) -> Any:
    """Around Turns.take."""
    taken = await take(self, mention, **more)
    if taken is not None:
        WRITTEN.append(mention.thread.platform)
        reached("row written", mention.thread.platform)
    return taken


async def write_rows(take: Method, self: Any, batch: Any) -> Any:
    """Around Intake._take_all: one question, or those that came together."""
    taken = await take(self, batch)
    for turn in taken.values():
        WRITTEN.append(turn.thread.platform)
        reached("row written", turn.thread.platform)
    return taken


async def store_answer(settle: Method, self: Any, turn: Any, *more: Any, **named: Any) -> Any:
    """Around Progress.settle."""
    settled = await settle(self, turn, *more, **named)
    if settled is not None:
        reached("answer stored", turn.thread.platform)
    return settled


async def record_draft(drafted: Method, self: Any, turn: Any, *more: Any) -> None:
    """Around Progress.drafted: the message of the draft is posted."""
    reached("draft posted, not recorded", turn.thread.platform)
    await drafted(self, turn, *more)


async def show_draft(draft: Method, self: Any, post: Any, message: Any) -> Any:
    """Around Platform.draft."""
    shown = await draft(self, post, message)
    if message is not None:
        reached("draft grows", self.name)
    return shown


async def edit(edit: Method, self: Any, post: Any, message: Any) -> None:
    """Around Platform.edit, which makes a draft the reply."""
    reached("draft to become the reply", self.name)
    await edit(self, post, message)


async def acknowledge(send: Method, self: Any, response: Any) -> None:
    """Around the SDK's way to acknowledge what came over a socket."""
    await send(self, response)
    if "slack" in WRITTEN:
        WRITTEN.remove("slack")
        reached("acknowledged", "slack")


async def record_upload(uploaded: Method, self: Any, turn: Any, kept: Any, *more: Any) -> None:
    """Around Attachments.uploaded: the engine has the file. What is on record then is noted."""
    reached("file uploaded, not recorded", turn.thread.platform)
    await uploaded(self, turn, kept, *more)
    note_upload(kept.file.name)


async def record_calls(asked: Method, self: Any, turn: Any, calls: Any) -> Any:
    """Around ToolCalls.asked."""
    is_asked = await asked(self, turn, calls)
    reached("calls wanted, on record", turn.thread.platform)
    return is_asked


async def make_call(call: Method, self: Any, wanted: Any, asker: Any, within: float) -> Any:
    """Around Toolbox.call."""
    reached("call begun, not made", asker.platform)
    output = await call(self, wanted, asker, within)
    reached("call made, output not stored", asker.platform)
    return output


async def store_output(end: Method, self: Any, turn: Any, *more: Any) -> None:
    """Around ToolCalls.end."""
    await end(self, turn, *more)
    reached("output stored, model not told", turn.thread.platform)


def wrap(owner: type, name: str, around: Method) -> None:
    """Put a function around a method; it gets the method first."""
    method = getattr(owner, name)

    async def wrapped(*given: Any, **named: Any) -> Any:
        return await around(method, *given, **named)

    setattr(owner, name, wrapped)


def install() -> None:
    """Wrap what a question passes through on its way."""
    from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient  # noqa: PLC0415

    from bots.discord_bot.adapter import DiscordPlatform  # noqa: PLC0415
    from bots.slack_bot.adapter import SlackPlatform  # noqa: PLC0415
    from core.desk import Desk  # noqa: PLC0415
    from core.store.attachments import Attachments  # noqa: PLC0415
    from core.store.intake import Intake  # noqa: PLC0415
    from core.store.progress import Progress  # noqa: PLC0415
    from core.store.tool_calls import ToolCalls  # noqa: PLC0415
    from core.store.turns import Turns  # noqa: PLC0415
    from core.tools.toolbox import Toolbox  # noqa: PLC0415

    wrap(Desk, "take", read_event)
    wrap(Turns, "take", write_row)
    wrap(Intake, "_take_all", write_rows)
    wrap(Progress, "settle", store_answer)
    wrap(Progress, "drafted", record_draft)
    wrap(Attachments, "uploaded", record_upload)
    wrap(ToolCalls, "asked", record_calls)
    wrap(ToolCalls, "end", store_output)
    wrap(Toolbox, "call", make_call)
    for platform in (SlackPlatform, DiscordPlatform):
        wrap(platform, "draft", show_draft)
        wrap(platform, "edit", edit)
    wrap(AsyncBaseSocketModeClient, "send_socket_mode_response", acknowledge)


if FOLDER:
    install()
