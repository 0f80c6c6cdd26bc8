"""What came of a run: read off the servers and the database, judged, and counted."""

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations, pairwise
from typing import Any, Final

import psycopg

from chaos.calls import Ledger, problems_of_calls, problems_of_files
from chaos.deletions import NOTICE_SECONDS, InVain
from chaos.drafts import drafts_left
from chaos.fleet import Fleet
from chaos.plan import Fate
from chaos.stage import Stage
from chaos.world import Asked, Place, World
from servers.openai_runs import Run
from servers.slack_deliveries import Delivery

_MARK: Final = re.compile(
    r"Answer (?P<head>a\d{4}) to (?P<tokens>[^.]*)\."
    r"|Line (?P<line>\d+) of (?P<lines>\d+) of (?P<of>a\d{4})"
    r"|End of (?P<end>a\d{4})\."
)
EDIT_SECONDS: Final = 3.0  # for an edit to be heard of, also by the next process
WAITING: Final = ("", "queued", "running")  # "": not taken yet
OPEN: Final = ("queued", "running", "answered", "failed", "withdrawn")


@dataclass(frozen=True, kw_only=True)
class Given:
    """A reply as it stands in a thread."""

    answer: str  #: the model's name for it; "" for a post that is no answer
    tokens: tuple[str, ...]
    is_complete: bool
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A turn as the database has it."""

    id: int
    platform: str
    channel: str
    message: str
    state: str
    outcome: str | None
    attempt: int
    run: str | None
    leader: int | None
    asked_at: float


class Verdict:
    """Reads a world after the end; `problems` is empty where every promise was kept."""

    def __init__(self, world: World, stage: Stage, fleet: Fleet, rows: Sequence[Row]) -> None:
        self.problems: list[str] = []
        self._world = world
        self._stage = stage
        self._deaths = fleet.deaths
        self._rows = {(row.platform, row.channel, row.message): row for row in rows}
        self.replies: list[Given] = []
        self.stale: list[str] = []  #: tokens of questions that were edited, as they read before
        self.in_vain: list[str] = []  #: deletions that could not be heard of in time, and why
        self.overtaken = 0
        for (platform, number), place in world.places.items():
            asked = [
                one
                for one in world.asked.values()
                if (one.asking.platform, one.asking.thread) == (platform, number)
            ]
            self._judge_thread(f"{platform} thread {number}", place, asked)
        self._judge_leftovers(rows)

    @property
    def answered(self) -> Counter[str]:
        """How often each token stands in a complete reply."""
        return Counter(t.split()[0] for r in self.replies if r.is_complete for t in r.tokens)

    @property
    def lost(self) -> list[str]:
        """Tokens of questions that should have a reply and have none."""
        return [
            token
            for token, one in self._world.asked.items()
            if self.answered[token] == 0 and not is_deleted(one)
        ]

    @property
    def doubled(self) -> list[str]:
        """Tokens of questions that have more than one reply."""
        begun = Counter(t.split()[0] for r in self.replies for t in r.tokens)
        return [token for token, count in begun.items() if count > 1]

    def paid_twice(self) -> list[str]:
        """Runs that were created for a turn although it had one that did not fail."""
        openai, seen, twice = self._stage.openai, set[str](), list[str]()
        for run in openai.responses.all.values():
            paid_for = f"{_turn_of(run)} {run.script.calls}"  # each round of calls has a run
            if paid_for in seen:
                twice.append(run.id)
            if run.id not in openai.planned_failures and run.status != "cancelled":
                seen.add(paid_for)
        return twice

    def _judge_thread(self, name: str, place: Place, asked: Sequence[Asked]) -> None:
        replies = list(read_replies(posts_of(self._stage, place)))
        self.replies += replies
        for reply in replies:
            if not reply.answer:
                self._problem(f"{name}: not an answer: {reply.text[:80]!r}")
            elif not reply.is_complete:
                self._problem(f"{name}: {reply.answer} to {reply.tokens} is not complete")
        told = [token.split()[0] for reply in replies for token in reply.tokens]
        for one in asked:
            count = told.count(one.asking.token)
            if is_deleted(one):
                if count and one.state in WAITING:
                    self._judge_deletion(name, one)
            elif count != 1:
                self._problem(f"{name}: {one.asking.token} has {count} replies {self._of(one)}")
        self._judge_edits(name, asked, replies)
        self._judge_order(name, told, asked, replies)

    def _judge_deletion(self, name: str, one: Asked) -> None:
        """A question that was deleted while it waited is answered only if nobody could know."""
        assert one.changed_at is not None
        acknowledged = [d.acked_at for d in self._deliveries(one) if _is_deletion(d) and d.acked_at]
        in_vain = InVain(
            platform=one.asking.platform,
            deleted_at=one.changed_at,
            acknowledged_at=min(acknowledged, default=None),
            ended_at=self._ended(one.asking.token),
        )
        said = f"{name}: deleted and answered: {one.asking.token} {self._of(one)}"
        excuse = in_vain.excuse(self._deaths)
        if excuse is None:
            self._problem(said)
        else:
            self.in_vain.append(f"{said}: {excuse}")

    def _ended(self, token: str) -> float:
        """When the last run that answered a question was at its end."""
        openai = self._stage.openai
        runs = [run for id_, run in openai.responses.all.items() if openai.asks(id_, token)]
        ended = [run.started + (run.script.seconds or 0.0) for run in runs if run.is_over]
        return max(ended, default=math.inf)

    def _judge_edits(self, name: str, asked: Sequence[Asked], replies: Sequence[Given]) -> None:
        """What was edited while it waited is answered as it reads now.

        Slack tells of an edit until it is acknowledged; of Discord's, a dying process may be the
        only one that hears.
        """
        versions = dict(token.split() for reply in replies for token in reply.tokens)
        for one in asked:
            token = one.asking.token
            if one.asking.fate is not Fate.EDITED or versions.get(token) != "v1":
                continue
            self.stale.append(token)
            begun = self._begun(f"{token} v1")
            if one.asking.platform == "discord" or begun is None or one.changed_at is None:
                continue
            if begun > one.changed_at + EDIT_SECONDS and not self._died_over(one, begun):
                self._problem(f"{name}: {token} is answered as before {self._of(one)}")

    def _died_over(self, one: Asked, until: float) -> bool:
        """Whether nobody acknowledged a change, and somebody who could have was killed meanwhile.

        Slack tells it some times only; where processes die one after the other, that is in vain.
        """
        assert one.changed_at is not None
        since = one.changed_at - NOTICE_SECONDS
        told = [d for d in self._deliveries(one) if d.event.get("ts") != one.message]
        killed = (d for d in self._deaths if d.listened_to(one.asking.platform))
        return not any(d.acked_at for d in told) and any(since <= d.at <= until for d in killed)

    def _begun(self, token: str) -> float | None:
        """When the last run for a token began."""
        openai = self._stage.openai
        runs = openai.responses.all
        return max(
            (runs[run].started for run, told in openai.tokens.items() if token in told),
            default=None,
        )

    def _judge_order(
        self, name: str, told: list[str], asked: Sequence[Asked], replies: Sequence[Given]
    ) -> None:
        """Replies come in the order of asking, but for those that had to be found or delivered
        again: what was both asked and taken before another is answered before it."""
        rows = {one.asking.token: row for one in asked if (row := self._row(one))}
        answered = [rows[token] for token in told if token in rows]
        by_id = {row.id: row for row in rows.values()}
        if any(
            # What follows a question goes with it, also past what was found meanwhile and asked
            # before both.
            is_overtaken(b, a) and not (a.leader and b.asked_at < by_id[a.leader].asked_at)
            for a, b in combinations(answered, 2)
        ):
            known = [(row.id, row.asked_at, row.leader, row.attempt) for row in answered]
            said = [reply.tokens for reply in replies]
            self._problem(f"{name}: answered in the order {said}: id, at, leader, attempt {known}")
        taken = {token: row.id for token, row in rows.items()}
        in_order = [taken[one.asking.token] for one in asked if one.asking.token in taken]
        self.overtaken += sum(b < a for a, b in pairwise(in_order))
        authors = {one.asking.token: one.asking.author for one in asked}
        for reply in replies:
            if len({authors.get(token.split()[0]) for token in reply.tokens}) > 1:
                self._problem(f"{name}: {reply.tokens} of several authors in one reply")

    def notes(self) -> list[str]:
        """What is no broken promise, but worth a look."""
        openai = self._stage.openai
        turns = {_turn_of(openai.responses.all[run]) for run in self.paid_twice()}
        return [
            f"paid for twice: turn {run.turn} {openai.tokens[run.id]} {run.id[:12]} in "
            f"{str(run.conversation)[:12]}, {run.status}, {run.looks} looks, "
            f"{'read' if run.is_read else 'not read'}"
            for run in openai.runs()
            if run.turn in turns
        ] + self.in_vain

    def judge_calls_and_files(self, ledger: Ledger) -> None:
        """See that calls had their effect once, and that files were read, and uploaded once."""
        askings = [one.asking for token, one in self._world.asked.items() if self.answered[token]]
        witness = self._stage.openai.witness
        self.problems += problems_of_calls(askings, ledger.lines(), witness)
        self.problems += problems_of_files(witness, ledger.uploads())

    def _judge_leftovers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.state in OPEN:
                self._problem(f"left open: {row}")
        for place, status in self._stage.slack._methods.shown.items():
            if status:
                self._problem(f"a status is left hanging in {place}")
        openai = self._stage.openai
        for orphan in openai.orphans():
            self._problem(f"left at work: {orphan.id}, for {openai.tokens[orphan.id]}")
        self.problems += drafts_left(self._stage)
        self.problems += self._stage.slack.violations

    def _row(self, one: Asked) -> Row | None:
        return self._rows.get((one.asking.platform, one.channel, one.message))

    def _of(self, one: Asked) -> str:
        heard = "heard" if one.heard else "not heard"
        if one.asking.platform == "slack":
            of = self._deliveries(one)
            asked = [d for d in of if d.event.get("ts") == one.message]
            others = [d for d in of if d.event.get("ts") != one.message]
            heard += f", asked: {_acknowledged(asked)}, changed: {_acknowledged(others)}"
        return f"({heard}, {one.asking.lines} lines, {self._row(one)})"

    def _deliveries(self, one: Asked) -> list[Delivery]:
        """Everything that Slack told about a message."""
        return [
            delivery
            for delivery in self._stage.slack.deliveries
            for event in [delivery.event]
            if one.message
            in (event.get("ts"), event.get("deleted_ts"), event.get("message", {}).get("ts"))
        ]

    def _problem(self, text: str) -> None:
        self.problems.append(text)


def _turn_of(run: Run) -> str:
    return str((run.request.get("metadata") or {}).get("docent_turn", run.id))


def _acknowledged(deliveries: Sequence[Delivery]) -> str:
    acknowledged = sum(delivery.acked_at is not None for delivery in deliveries)
    return f"{acknowledged} of {len(deliveries)} deliveries acknowledged"


def _is_deletion(delivery: Delivery) -> bool:
    event = delivery.event
    subtypes = {event.get("subtype"), event.get("message", {}).get("subtype")}
    return not subtypes.isdisjoint(("message_deleted", "tombstone"))


def is_deleted(one: Asked) -> bool:
    """Whether a question was deleted in the end."""
    return one.asking.fate is Fate.DELETED and one.changed_at is not None


def posts_of(stage: Stage, place: Place) -> list[str]:
    """What the bot wrote in a thread, in order; on Discord also in line, as replies to it."""
    if place.platform == "slack":
        messages = stage.slack.thread(place.channel, place.root)
        return [str(message["text"]) for message in messages if "bot_id" in message]
    discord = stage.discord
    thread = place.thread or discord.world.channels.get(int(place.root))
    posted = discord.posted(thread) if thread else []
    posted += [
        message
        for message in discord.posted(discord.world.channels[int(place.channel)])
        if (message.get("message_reference") or {}).get("message_id") == place.root
    ]
    return [str(message["content"]) for message in posted]


def read_replies(posts: Sequence[str]) -> Iterator[Given]:
    """Read the bot's posts in a thread as replies: each complete one from head to end."""
    marks: list[Mapping[str, Any]] = []
    for post in posts:
        found = [mark.groupdict() for mark in _MARK.finditer(post)]
        if not found:
            yield Given(answer="", tokens=(), is_complete=False, text=post)
        marks += found
    begun: list[list[Mapping[str, Any]]] = []
    for mark in marks:
        if mark["head"] or not begun:
            begun.append([])
        begun[-1].append(mark)
    yield from (_given(marks) for marks in begun)


def _given(marks: Sequence[Mapping[str, Any]]) -> Given:
    first, last, body = marks[0], marks[-1], marks[1:-1]
    name = first["head"] or first["of"] or first["end"]
    total = int(body[0]["lines"] or 0) if body else 0
    lines = [(int(m["line"] or 0), int(m["lines"] or 0), m["of"]) for m in body]
    return Given(
        answer=name,
        tokens=tuple(first["tokens"].split(", ")) if first["tokens"] else (),
        is_complete=bool(
            first["head"]
            and last["end"] == name
            and lines == [(n, total, name) for n in range(1, total + 1)]
        ),
    )


def is_overtaken(row: Row, by: Row) -> bool:
    """Whether a question that was both asked and taken before another came after it."""
    return row.asked_at < by.asked_at and row.id < by.id


def read_rows(url: str) -> list[Row]:
    """The turns, read past the store."""
    names = [field.name for field in fields(Row)]
    rows = read(url, f"SELECT {', '.join(names)} FROM turns ORDER BY id")
    return [Row(**dict(zip(names, row, strict=True))) for row in rows]


def read(url: str, query: str) -> list[tuple[Any, ...]]:
    """What the database answers."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.partition("///")[2], timeout=5) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute(query).fetchall()
