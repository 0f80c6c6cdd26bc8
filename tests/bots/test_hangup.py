"""SIGHUP: what it does to a process, with a terminal and without."""

import asyncio
import fcntl
import os
import pty
import signal
import sys
import termios
from pathlib import Path

import pytest

from bots.app import assemble
from bots.hangup import at_each, hear_hangups
from bots.serving import serve
from core.breaker import OnTrouble
from core.channels import Channels
from core.settings import Settings
from core.store import Store
from servers.scripted import RecordingPlatform

ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio
from bots.hangup import hear_hangups
from core.waiting import first_of

async def main():
    stop = asyncio.Event()
    with hear_hangups(stop) as hung_up:
        print("ready", flush=True)
        await first_of(stop, hung_up)
    print("stop" if stop.is_set() else "read again", flush=True)

asyncio.run(main())
"""


async def test_each_signal_is_heard_until_the_end() -> None:
    heard = asyncio.Event()
    with hear_hangups(asyncio.Event()) as hung_up:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(at_each(hung_up, heard.set))
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
                await heard.wait()
                heard.clear()
            hearing.cancel()
    assert not hung_up.is_set()


@pytest.mark.parametrize(
    ("closes", "ignored", "expected"),
    [(True, False, "stop"), (True, True, "read again"), (False, False, "read again")],
    ids=["terminal closed", "terminal closed, with nohup", "signal by hand"],
)
async def test_a_terminal_that_is_closed_ends_what_was_started_in_it(
    closes: bool, ignored: bool, expected: str
) -> None:
    def make_it_ours() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    controller, terminal = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=make_it_ours,
    )
    os.close(terminal)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await child.stdout.readline() == b"ready\n"
            if closes:
                os.close(controller)
            else:
                child.send_signal(signal.SIGHUP)
            said = await child.stdout.readline()
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        if not closes:
            os.close(controller)
    assert said.decode().strip() == expected


async def test_what_holds_in_channels_is_read_again_while_docent_runs(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "docent.toml"
    settings = Settings(channels_file=str(file))
    stop, hung_up, was_read = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with (
        assemble(settings, sqlite_store, [RecordingPlatform()]) as docent,
        asyncio.timeout(60),
        asyncio.TaskGroup() as tasks,
    ):
        reload = docent.channels.reload

        def reload_and_tell(on_trouble: OnTrouble) -> bool:
            was_read.set()
            return reload(on_trouble)

        monkeypatch.setattr(docent.channels, "reload", reload_and_tell)
        tasks.create_task(serve(docent, settings, stop, hung_up=hung_up))
        assert docent.channels.current == Channels()
        file.write_text('[defaults]\nlanguage = "German"\n')
        hung_up.set()
        await was_read.wait()
        assert docent.channels.current.defaults.language == "German"
        stop.set()
