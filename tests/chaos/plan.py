"""What happens in a run of the chaos suite, made out of a seed alone. Pure.

A plan is a row of waves. Each wave asks some questions, orders some faults, and kills a process
where its kill says; the next wave begins as soon as that is done, whatever is still open.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from chaos.mischief import DISTURBANCES, ORDERS

PlatformName = Literal["slack", "discord"]
PLATFORMS: Final[tuple[PlatformName, ...]] = ("slack", "discord")

AUTHORS: Final = 8  # of each platform
LONG_LINES: Final = {"slack": 100, "discord": 48}  # of an answer that takes three parts
SHORT_LINES: Final = 2
THOUGHT_SECONDS: Final = 1.0  # until somebody has second thoughts, at most
DELETED_RUN_SECONDS: Final = 20.0  # enough to hear that nobody wants to know any more


class Step(StrEnum):
    """Where in the life of a question a process is killed."""

    EVENT_READ = "event read"
    ROW_WRITTEN = "row written"
    ACKNOWLEDGED = "acknowledged"
    CONVERSATION_OPENED = "conversation opened"
    RUN_CREATED = "run created, id not stored"
    POLLING = "polling"
    DRAFTED = "draft posted, not recorded"
    GROWING = "draft grows"
    ANSWER_STORED = "answer stored"
    FINISHING = "draft to become the reply"
    PART_POSTED = "part 1 of 3 posted"
    NOT_RECORDED = "posted, not recorded"
    UPLOADED = "file uploaded, not recorded"
    CALLS_RECORDED = "calls wanted, on record"
    CALL_BEGUN = "call begun, not made"
    CALL_MADE = "call made, output not stored"
    OUTPUT_STORED = "output stored, model not told"
    OUTPUTS_TOLD = "outputs told, id not stored"
    RANDOM = "at random"
    ALL_AT_ONCE = "all at once"


#: Steps that only a question with a file, or one that has functions called, passes.
OF_FILES: Final = (Step.UPLOADED,)
OF_CALLS: Final = (
    Step.CALLS_RECORDED,
    Step.CALL_BEGUN,
    Step.CALL_MADE,
    Step.OUTPUT_STORED,
    Step.OUTPUTS_TOLD,
)
INSIDE: Final = (
    Step.EVENT_READ,
    Step.ROW_WRITTEN,
    Step.ACKNOWLEDGED,
    Step.DRAFTED,
    Step.GROWING,
    Step.ANSWER_STORED,
    Step.FINISHING,
    *OF_FILES,
    *(step for step in OF_CALLS if step is not Step.OUTPUTS_TOLD),
)
TROUBLES: Final = ("stream", "rewritten", "edit", "post", "history")  # of drafts: names of faults
#: Steps that only a question with a draft passes, and seconds of a run that make sure of one: where
#: a stream was refused before, drafts are edited, and that every 3 s only.
OF_DRAFTS: Final = {Step.DRAFTED: 2.0, Step.GROWING: 8.0, Step.FINISHING: 2.5}
#: Seconds of a run that is polled: whose stream says no more after its beginning, for 2 s and more.
POLLED_SECONDS: Final = 4.0
RARE: Final = (Step.CONVERSATION_OPENED, Step.PART_POSTED, *OF_DRAFTS, *OF_FILES, *OF_CALLS)
_OTHERS: Final = (Step.RANDOM, Step.ALL_AT_ONCE, *OF_FILES, *OF_CALLS)
NAMED: Final = tuple(step for step in Step if step not in _OTHERS)
#: Rounds of functions, side by side in a round, that a model calls for a question.
CALLS: Final = (
    (("order",),),
    (("slow_order",),),
    (("failing_order", "look"),),
    (("order", "slow_order", "look"),),
    (("look",), ("order",)),
    (("failing_order",), ("slow_order", "look")),
)
FILES: Final = (("png",), ("txt", "pdf"), ("png", "pdf"), ("txt",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """One death: of the process that comes to a step for the `passage`th time."""

    step: Step
    platform: PlatformName | None = None  #: whose question it is; None: nobody looks
    passage: int = 1
    eager: bool = False  #: it waits from the start of the process on, not only when that listens
    delay: float = 0.0  #: seconds, for one at random


class Fate(StrEnum):
    """What a person does to a question afterwards."""

    KEPT = "kept"
    DELETED = "deleted"
    EDITED = "edited"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """A question as it is to be asked. The token stands in it, and in no other."""

    token: str
    platform: PlatformName
    thread: int
    author: int
    pause: float  #: seconds since the question before
    lines: int  #: of its answer
    run_seconds: float
    fails_first: bool = False  #: its first run ends with a server_error
    falls_silent: bool = False  #: the streams of its runs say no more after their beginning
    fate: Fate = Fate.KEPT
    fate_after: float = 0.0  #: seconds
    calls: tuple[tuple[str, ...], ...] = ()  #: functions that the model calls for it, by round
    files: tuple[str, ...] = ()  #: endings of the names of what is attached


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A fault that is ordered from a server, or something that befalls its connections."""

    kind: str
    pause: float = 0.0  #: seconds since the wave began, for what befalls connections


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """Questions that are asked while a kill waits for its moment."""

    kill: Kill | None
    askings: tuple[Asking, ...]
    unheard: tuple[Asking, ...] = ()  #: asked while no process is there, and never delivered
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that is going to happen."""

    seed: int
    waves: tuple[Wave, ...]

    @property
    def askings(self) -> list[Asking]:
        """Every question, in the order in which they are asked."""
        return [one for wave in self.waves for one in (*wave.askings, *wave.unheard)]

    @property
    def kills(self) -> list[Kill]:
        """Every death, in order."""
        return [wave.kill for wave in self.waves if wave.kill]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much there is to be of everything."""

    threads: int = 60  #: half of them on each platform
    questions: int = 312
    random_kills: int = 1
    outages: int = 1  #: moments at which no process is there at all
    unheard: int = 3  #: questions of each platform in each outage
    deleted: int = 6
    edited: int = 6
    orders: int = 80
    disturbances: int = 12
    steps: Sequence[Step] = NAMED  #: at which processes are killed, for each platform
    with_calls: float = 0.0  #: part of the questions for which functions are called
    with_files: float = 0.0  #: part of those that have files


TOOLS_SIZE: Final = Size(
    threads=40,
    questions=90,
    outages=0,
    deleted=4,
    edited=6,
    orders=30,
    disturbances=4,
    steps=(*OF_FILES, *OF_CALLS, Step.RUN_CREATED, Step.ANSWER_STORED),
    with_calls=0.5,
    with_files=0.3,
)


def make_plan(seed: int, size: Size) -> Plan:
    """Decide everything; the same seed and size give the same plan."""
    dice = random.Random(seed)
    kills = _kills(dice, size)
    count = len(kills) + 1  # the last wave ends in peace
    asked = _askings(dice, size, count)
    if size.with_calls or size.with_files:
        asked = {wave: list(_with_more(dice, size, asked[wave])) for wave in range(count)}
    orders = _without_troubled_drafts(kills, _orders(dice, size, count))
    waves = [
        Wave(
            kill=kills[number] if number < len(kills) else None,
            askings=tuple(_slowed(asked[number], kills[number : number + 1])),
            orders=tuple(orders[number]),
        )
        for number in range(count)
    ]
    return Plan(seed=seed, waves=tuple(_with_outages(dice, waves, size)))


def _kills(dice: random.Random, size: Size) -> list[Kill]:
    kills = [
        Kill(
            step=step,
            platform=platform,
            passage=1 if step in RARE else dice.choice((1, 1, 2)),
            eager=step in RARE or dice.random() < 0.3,
        )
        for step in size.steps
        for platform in PLATFORMS
        # Discord's gateway knows no acknowledgement.
        if (step, platform) != (Step.ACKNOWLEDGED, "discord")
    ]
    kills += [
        Kill(step=Step.RANDOM, delay=dice.uniform(0.1, 1.0)) for _ in range(size.random_kills)
    ]
    kills += [Kill(step=Step.ALL_AT_ONCE) for _ in range(size.outages)]
    dice.shuffle(kills)
    return kills


def _askings(dice: random.Random, size: Size, waves: int) -> dict[int, list[Asking]]:
    """Questions by wave. Every wave begins threads and has long answers on both platforms."""
    by_wave: defaultdict[int, list[Asking]] = defaultdict(list)
    for platform in PLATFORMS:
        places = _places(dice, size, waves)
        # Not the first of a thread: it would take the thread with it.
        follow_ups = [
            n
            for n, (_, thread, _) in enumerate(places)
            if thread in {one for _, one, _ in places[:n]}
        ]
        special = dice.sample(follow_ups, (size.deleted + size.edited) // 2)
        long_in: set[int] = set()
        for number, (wave, thread, author) in enumerate(places):
            is_long = wave not in long_in or dice.random() < 0.1
            long_in.add(wave)
            asking = Asking(
                token=f"q{platform[0]}{number:04d}",
                platform=platform,
                thread=thread,
                author=author,
                pause=dice.choice((0.0, 0.01, 0.02, 0.05, 0.1)),
                lines=LONG_LINES[platform] if is_long else SHORT_LINES,
                run_seconds=dice.uniform(0.15, dice.choice((1.2, 1.2, 1.2, 3.0))),
                fails_first=dice.random() < 0.04,
            )
            if number in special:
                asking = _with_fate(dice, asking, special.index(number) < size.deleted // 2)
            by_wave[wave].append(asking)
    for askings in by_wave.values():
        # Shuffled, but with the questions of a platform in the order of their tokens.
        ranks = iter(dice.sample(range(len(askings)), len(askings)))
        order = {one.token: next(ranks) for one in askings}
        slots = sorted(askings, key=lambda one: order[one.token])
        tokens = {p: iter([a for a in askings if a.platform == p]) for p in PLATFORMS}
        askings[:] = [next(tokens[slot.platform]) for slot in slots]
    return by_wave


def _slowed(askings: Sequence[Asking], kills: Sequence[Kill]) -> Iterator[Asking]:
    """Let runs take long enough for a draft, or for looks, where somebody is to die of these."""
    least = {**OF_DRAFTS, Step.POLLING: POLLED_SECONDS}
    for one in askings:
        steps = [kill.step for kill in kills if kill.platform == one.platform]
        if steps and steps[0] in least:
            yield replace(
                one,
                run_seconds=max(one.run_seconds, least[steps[0]]),
                fails_first=False,
                falls_silent=steps[0] is Step.POLLING,
            )
        else:
            yield one


def _without_troubled_drafts(
    kills: Sequence[Kill], orders: dict[int, list[Order]]
) -> dict[int, list[Order]]:
    """Put what keeps drafts from being shown off, where somebody is to die of one."""
    for number, kill in enumerate(kills):
        if kill.step in OF_DRAFTS:
            troubles = [one for one in orders[number] if any(t in one.kind for t in TROUBLES)]
            orders[number] = [one for one in orders[number] if one not in troubles]
            orders[number + 1] += troubles
    return orders


def _places(dice: random.Random, size: Size, waves: int) -> list[tuple[int, int, int]]:
    """Wave, thread and author of each question of one platform, in the order of asking.

    Threads begin in every wave. A thread goes on at once (rapid questions of one author, or of
    several), or in one of the waves after it.
    """
    threads, questions = size.threads // 2, size.questions // 2
    begins = sorted([n % waves for n in range(threads)])
    places = [(wave, thread, dice.randrange(AUTHORS)) for thread, wave in enumerate(begins)]
    while len(places) < questions:
        thread = dice.randrange(threads)
        wave = min(begins[thread] + dice.choice((0, 0, 1, 2, 3)), waves - 1)
        author = dice.randrange(AUTHORS)
        burst = min(dice.choice((1, 1, 2, 3)), questions - len(places))
        places += [(wave, thread, author)] * burst
    return sorted(places, key=lambda place: place[0])  # stable: the root of a thread stays first


def _with_fate(dice: random.Random, asking: Asking, deleted: bool) -> Asking:
    """A question that is deleted has an author of its own: it is never answered with others."""
    if not deleted:
        return replace(asking, fate=Fate.EDITED, fate_after=dice.uniform(0.0, 0.5))
    return replace(
        asking,
        fate=Fate.DELETED,
        fate_after=dice.uniform(0.0, THOUGHT_SECONDS),
        author=AUTHORS,
        run_seconds=DELETED_RUN_SECONDS,
        fails_first=False,
        lines=SHORT_LINES,
    )


def _with_more(dice: random.Random, size: Size, askings: Sequence[Asking]) -> Iterator[Asking]:
    """Questions with calls and files: the first of each platform has an upload and a slow call."""
    begun: set[str] = set()
    for one in askings:
        is_first = one.platform not in begun and one.fate is Fate.KEPT
        if is_first:
            begun.add(one.platform)
            yield replace(one, calls=CALLS[-1], files=FILES[0], fails_first=False)
            continue
        calls = dice.choice(CALLS) if dice.random() < size.with_calls else ()
        files = dice.choice(FILES) if dice.random() < size.with_files else ()
        yield replace(one, calls=calls, files=files)


def _orders(dice: random.Random, size: Size, waves: int) -> dict[int, list[Order]]:
    by_wave: defaultdict[int, list[Order]] = defaultdict(list)
    kinds = _evenly(dice, sorted(ORDERS), size.orders)
    for kind in kinds:
        by_wave[dice.randrange(waves)].append(Order(kind=kind))
    for kind in _evenly(dice, sorted(DISTURBANCES), size.disturbances):
        by_wave[dice.randrange(waves)].append(Order(kind=kind, pause=dice.uniform(0.0, 1.0)))
    return by_wave


def _evenly(dice: random.Random, kinds: Sequence[str], count: int) -> Iterator[str]:
    for number in range(count):
        yield kinds[number % len(kinds)] if number < len(kinds) else dice.choice(kinds)


def _with_outages(dice: random.Random, waves: list[Wave], size: Size) -> Iterator[Wave]:
    """Let the last questions of some waves be those that are asked while nobody is there."""
    for wave in waves:
        if wave.kill is None or wave.kill.step is not Step.ALL_AT_ONCE:
            yield wave
            continue
        unheard: list[Asking] = []
        for platform in PLATFORMS:
            own = [
                one for one in wave.askings if one.platform == platform and one.fate is Fate.KEPT
            ]
            unheard += own[-size.unheard :]
        heard = tuple(one for one in wave.askings if one not in unheard)
        yield replace(wave, askings=heard, unheard=tuple(unheard))
