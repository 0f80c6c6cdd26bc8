"""What the servers saw of each question: when it was asked, run, and answered."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

#: The members of the workspace in Slack.
PEOPLE = tuple(f"U0PERSON{number}" for number in range(50))

_NUMBER = re.compile(r"question (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question, and how long the model takes for its answer."""

    number: int  #: unique in its benchmark
    seconds: float | None = None  #: of the run; None: as long as the words take
    words: int = 40  #: of the answer
    word_seconds: float = 0.0  #: where it is streamed
    first_word_seconds: float = 0.0  #: where it is streamed, until the first
    channel: str = "C0GENERAL"  #: of Slack; others are made as they are named
    author: str = PEOPLE[0]
    thread: int | None = None  #: the number of the question in whose thread it is asked

    @property
    def text(self) -> str:
        """As it is asked."""
        return f"question {self.number}: when does an access token expire?"

    @property
    def end(self) -> str:
        """The last word of the answer."""
        return f"END{self.number}."

    @property
    def answer(self) -> str:
        """All of the answer."""
        some = " ".join(f"word{n}" for n in range(max(0, self.words - 3)))
        return f"The answer: {some} {self.end}"


@dataclass(kw_only=True, slots=True)
class Seen:
    """What became of one question; times by the monotonic clock of the machine."""

    number: int
    asked_at: float
    acknowledged: list[float] = field(default_factory=list)  #: seconds, for each delivery
    requested_at: float | None = None  #: when its first run was asked for
    runs: int = 0
    looks: int = 0  #: at its runs
    first_token_at: float | None = None
    done_at: float | None = None  #: when the run is done
    first_seen_at: float | None = None  #: something of the answer was in the thread
    seen_at: float | None = None  #: all of the answer was in the thread
    finished_at: float | None = None  #: with what stands below it, and kept by the bot as done
    answers: int = 0  #: messages that say all of the answer: 1, or something is wrong


class Ledger:
    """All questions so far."""

    def __init__(self) -> None:
        self.asked: dict[int, Question] = {}
        self.seen: dict[int, Seen] = {}
        self._whole = 0
        self._changed = asyncio.Event()

    def ask(self, question: Question, at: float) -> Seen:
        """Enter a question."""
        self.asked[question.number] = question
        self.seen[question.number] = seen = Seen(number=question.number, asked_at=at)
        return seen

    def question_in(self, texts: Iterable[str]) -> Question | None:
        """The last question that is named in some texts."""
        found = None
        for text in texts:
            for number in _NUMBER.findall(text):
                found = self.asked.get(int(number), found)
        return found

    def shown(self, number: int, text: str, at: float, *, finished: bool) -> None:
        """Hear that a message of the thread says this now."""
        seen, question = self.seen[number], self.asked[number]
        if seen.first_seen_at is None and text.strip():
            seen.first_seen_at = at
        if question.end not in text:
            return
        if seen.seen_at is None:
            seen.seen_at = at
            self._whole += 1
            self._changed.set()
        if finished and seen.finished_at is None:
            seen.finished_at = at
            self._changed.set()

    async def wait_for_answers(self, numbers: Iterable[int], *, finished: bool = False) -> None:
        """Wait until all of each answer is to be seen; `finished`: with what stands below it."""
        waiting = set(numbers)
        while True:
            for number in list(waiting):
                one = self.seen.get(number)
                if one and (one.finished_at if finished else one.seen_at) is not None:
                    waiting.discard(number)
            if not waiting:
                return
            self._changed.clear()
            await self._changed.wait()
