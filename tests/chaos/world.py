"""The people: they ask, delete and edit as the plan says, whatever becomes of the bot meanwhile."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chaos.calls import attached_to
from chaos.fleet import Fleet
from chaos.kills import Trap
from chaos.mischief import DISTURBANCES, ORDERS, spare_drafts
from chaos.plan import (
    AUTHORS,
    OF_DRAFTS,
    PLATFORMS,
    THOUGHT_SECONDS,
    Asking,
    Fate,
    Kill,
    Order,
    Plan,
    PlatformName,
    Step,
    Wave,
)
from chaos.stage import REPEAT_SECONDS, Stage, question_text
from servers.discord_gateway import GUILD_MESSAGES, GUILDS
from servers.discord_world import HAS_THREAD, Channel, Json, User
from servers.slack_workspace import BOT_USER

LISTENING_SECONDS: Final = 20.0  # a process takes one or two to start
ASKING_SECONDS: Final = 0.5  # for a server to tell of one question, while the machine is busy
SPRUNG_SECONDS: Final = 30.0  # for a step to be reached; a dead process is missed after 10
TAKEN_SECONDS: Final = 20.0  # for a question that is to be deleted or edited to be taken
LOOK_SECONDS: Final = 0.1  # between two looks at the database
DELETIONS: Final = 3
SLACK_CHANNELS: Final = ("C0GENERAL", "C0HELP", "C0RANDOM")
DISCORD_CHANNELS: Final = 5
REDELIVERY_SECONDS: Final = 1.5  # Slack takes 3


@dataclass(kw_only=True)
class Asked:
    """A question that was asked."""

    asking: Asking
    channel: str  #: where its message is
    message: str
    heard: bool  #: it was delivered
    is_root: bool
    at: float
    changed_at: float | None = None  #: when it was deleted or edited
    state: str = ""  #: of its turn by then; "" where it was not taken yet


_Change = Callable[[Asked], Awaitable[None]]


@dataclass(kw_only=True)
class Place:
    """A thread: where its messages are."""

    platform: PlatformName
    channel: str
    root: str
    thread: Channel | None = None  #: on Discord


class World:
    """Plays a plan on a stage, to a fleet."""

    def __init__(
        self, plan: Plan, stage: Stage, fleet: Fleet, trap: Trap, state_of: Callable[[Asked], str]
    ) -> None:
        """`state_of` says how far the turn of a question is, "" where there is none yet."""
        self.plan = plan
        self.asked: dict[str, Asked] = {}  #: by token, in order
        self.places: dict[tuple[PlatformName, int], Place] = {}
        self.missed: list[Kill] = []  #: whose step nobody came to
        self.killed_at_random = 0
        self.outages = 0
        self._stage = stage
        self._fleet = fleet
        self._trap = trap
        self._state_of = state_of
        self._dice = random.Random(plan.seed)
        for name in SLACK_CHANNELS[1:]:
            stage.slack.workspace.add_channel(name)
        world = stage.discord.world
        self._channels = [world.channel(f"help-{n}") for n in range(DISCORD_CHANNELS)]
        self._people = [world.user(f"person{n}") for n in range(AUTHORS + 1)]

    async def play(self) -> None:
        """Let the whole plan happen."""
        await self._listening(None)
        async with asyncio.TaskGroup() as tasks:
            for wave in self.plan.waves:
                await self._play(wave, tasks)

    async def _play(self, wave: Wave, tasks: asyncio.TaskGroup) -> None:
        for order in wave.orders:
            if order.kind in DISTURBANCES:
                tasks.create_task(self._disturb(order))
            else:
                self._stage.faults[order.kind] += 1
                ORDERS[order.kind](self._stage)
        kill = wave.kill
        if kill is None:
            await self._ask_all(wave.askings, tasks)
        elif kill.step is Step.ALL_AT_ONCE:
            await self._ask_all(wave.askings, tasks)
            await self._outage(wave, tasks)
        elif kill.step is Step.RANDOM:
            tasks.create_task(self._kill_at_random(kill))
            await self._ask_all(wave.askings, tasks)
        else:
            await self._kill_at_step(kill, wave, tasks)

    async def _kill_at_step(self, kill: Kill, wave: Wave, tasks: asyncio.TaskGroup) -> None:
        """Begin to ask while the last one may still be down; most when the trap is armed."""
        first = 0 if kill.eager else len(wave.askings) // 3
        await self._ask_all(wave.askings[:first], tasks)
        if not kill.eager:
            await self._listening(kill.platform)
        if kill.step in OF_DRAFTS:
            spare_drafts(self._stage)
        self._trap.arm(kill)
        await self._ask_all(wave.askings[first:], tasks)
        try:
            async with asyncio.timeout(SPRUNG_SECONDS):
                await self._trap.sprung.wait()
        except TimeoutError:
            self.missed.append(kill)
            self._trap.disarm()

    async def _kill_at_random(self, kill: Kill) -> None:
        await asyncio.sleep(kill.delay)  # the plan's own pace
        await self._listening(None)
        self.killed_at_random += self._fleet.kill_one(self._dice)

    async def _outage(self, wave: Wave, tasks: asyncio.TaskGroup) -> None:
        """Ask while no process is there; nobody delivers these questions later."""
        await self._listening(None)
        self._fleet.hold_down()
        self.outages += 1
        await self._nobody_listens()
        self._stage.slack.deaf = True
        await self._ask_all(wave.unheard, tasks)
        self._stage.slack.deaf = False
        self._fleet.let_up()

    async def _disturb(self, order: Order) -> None:
        await asyncio.sleep(order.pause)  # the plan's own pace
        await self._listening(None)
        self._stage.faults[order.kind] += 1
        await DISTURBANCES[order.kind](self._stage)

    async def _listening(self, platform: PlatformName | None) -> None:
        """Wait until somebody hears of what is said."""
        async with asyncio.timeout(LISTENING_SECONDS):
            for each in [platform] if platform else PLATFORMS:
                server = self._stage.slack if each == "slack" else self._stage.discord
                await server.wait_for(lambda each=each: self._stage.listens(each), 99)

    async def _nobody_listens(self) -> None:
        stage = self._stage
        await stage.slack.wait_for(lambda: stage.slack.connections == 0)
        await stage.discord.wait_for(lambda: stage.discord.connections == 0)

    # --- asking -----------------------------------------------------------------------------------

    async def _ask_all(self, askings: tuple[Asking, ...], tasks: asyncio.TaskGroup) -> None:
        for asking in askings:
            await asyncio.sleep(asking.pause)  # the plan's own pace
            ask = self._ask_slack if asking.platform == "slack" else self._ask_discord
            asked = await ask(asking, tasks)
            self.asked[asking.token] = asked
            if asking.fate is not Fate.KEPT and not asked.is_root:
                change = self._change_slack if asking.platform == "slack" else self._change_discord
                tasks.create_task(self._change(asked, change))

    async def _ask_slack(self, asking: Asking, tasks: asyncio.TaskGroup) -> Asked:
        slack = self._stage.slack
        place = self.places.get(("slack", asking.thread))
        channel = SLACK_CHANNELS[asking.thread % len(SLACK_CHANNELS)]
        files = [slack.files.upload(*file) for file in attached_to(asking).items()]
        message = slack.mention(
            channel,
            f"U0PERSON{asking.author}",
            question_text(asking.token),
            thread_ts=place.root if place else None,
            files=files,
        )
        if place is None:
            place = Place(platform="slack", channel=channel, root=message)
            self.places["slack", asking.thread] = place
        return self._noted(asking, place, channel, message)

    async def _ask_discord(self, asking: Asking, tasks: asyncio.TaskGroup) -> Asked:
        discord = self._stage.discord
        person = self._people[asking.author]
        parent = self._channels[asking.thread % DISCORD_CHANNELS]
        place = self.places.get(("discord", asking.thread))
        if place is None and asking.thread % 3 == 0:  # somebody made a thread, and asks there
            thread = await discord.open_thread(parent, person, f"talk {asking.thread}")
            place = self._place(asking, parent, str(thread.id), thread)
        channel = parent
        if place is not None:
            channel = place.thread or await self._thread_of(place, person)
        heard = discord.connections > 0
        files = [discord.world.files.attach(*file) for file in attached_to(asking).items()]
        text = question_text(asking.token)
        message = await discord.mention(channel, person, text, attachments=files)
        tasks.create_task(self._repeat(message, "MESSAGE_CREATE"))
        if place is None:
            place = self._place(asking, parent, message["id"], None)
        asked = self._noted(asking, place, str(channel.id), message["id"])
        asked.heard = heard
        return asked

    def _place(self, asking: Asking, parent: Channel, root: str, thread: Channel | None) -> Place:
        place = Place(platform="discord", channel=str(parent.id), root=root, thread=thread)
        self.places["discord", asking.thread] = place
        return place

    async def _thread_of(self, place: Place, person: User) -> Channel:
        """The thread under a question; who asks on before the bot has made it makes it."""
        discord = self._stage.discord
        parent = discord.world.channels[int(place.channel)]
        root = parent.messages[int(place.root)]
        place.thread = discord.thread_under(root)
        if place.thread is None:
            place.thread = discord.world.thread(parent, int(place.root), "talk", person.id)
            root["flags"] |= HAS_THREAD
            payload = discord.world.channel_payload(place.thread) | {"newly_created": True}
            await discord.gateway.dispatch("THREAD_CREATE", payload, GUILDS)
        return place.thread

    def _noted(self, asking: Asking, place: Place, channel: str, message: str) -> Asked:
        return Asked(
            asking=asking,
            channel=channel,
            message=message,
            heard=not self._stage.slack.deaf,
            is_root=message == place.root,
            at=time.monotonic(),
        )

    # --- second thoughts --------------------------------------------------------------------------

    async def _change(self, asked: Asked, change: _Change) -> None:
        """Change a question that was seen to be taken; after some time, also one that was not."""
        await asyncio.sleep(asked.asking.fate_after)  # the plan's own pace
        with contextlib.suppress(TimeoutError):
            await come_true(lambda: bool(self._state_of(asked)), TAKEN_SECONDS)
        await self._listening(asked.asking.platform)
        asked.state = self._state_of(asked)
        asked.changed_at = time.monotonic()
        await change(asked)

    async def _change_slack(self, asked: Asked) -> None:
        slack = self._stage.slack
        if asked.asking.fate is Fate.DELETED:
            slack.delete(asked.channel, asked.message)
        else:
            text = f"<@{BOT_USER}> {question_text(asked.asking.token, 2)}"
            slack.edit(asked.channel, asked.message, text)

    async def _change_discord(self, asked: Asked) -> None:
        discord = self._stage.discord
        channel = discord.world.channels[int(asked.channel)]
        message = channel.messages[int(asked.message)]
        if asked.asking.fate is Fate.EDITED:
            text = f"<@{discord.world.bot.id}> {question_text(asked.asking.token, 2)}"
            await discord.edit(message, text)
            await self._repeat(message, "MESSAGE_UPDATE")
            return
        await discord.delete(message)
        gone = {"id": asked.message, "channel_id": asked.channel} | channel.where()
        for _ in range(DELETIONS):  # one that a dying process has read is lost
            await asyncio.sleep(discord.repeat_after())  # the plan's own pace
            await self._listening("discord")
            await discord.gateway.dispatch("MESSAGE_DELETE", gone, GUILD_MESSAGES)

    async def _repeat(self, message: Json, event: str) -> None:
        discord = self._stage.discord
        await asyncio.sleep(discord.repeat_after())  # the plan's own pace
        if int(message["id"]) in discord.world.channels[int(message["channel_id"])].messages:
            await discord.gateway.tell(message, event)


def longest(plan: Plan) -> float:
    """Seconds that playing a plan takes if all that is waited for comes in the last moment.

    Mostly it takes 40 to 110; it is over as soon as a wait is in vain, so this ends but what hangs.
    """
    asking = sum(one.pause + ASKING_SECONDS for one in plan.askings)
    wave = 2 * LISTENING_SECONDS + SPRUNG_SECONDS  # an outage waits twice for who listens
    telling = (1 + DELETIONS) * (LISTENING_SECONDS + REPEAT_SECONDS)
    return asking + len(plan.waves) * wave + THOUGHT_SECONDS + TAKEN_SECONDS + telling


async def come_true(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait for something that is seen in the database, which has no bell for us."""
    async with asyncio.timeout(seconds):
        while True:
            if is_so():
                return
            await asyncio.sleep(LOOK_SECONDS)
