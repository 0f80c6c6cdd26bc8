"""What went unanswered, as values: one question that the documentation left open, and page use.

What counts as such is decided in `core.store.gaps`, what belongs together in `core.gaps`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.domain import MessageRef, ThreadRef, TurnId

MENTION_ALONE: Final = "(a mention alone, about what was said before)"


class GapKind(StrEnum):
    """How a question went unanswered. A question may have done so in several ways."""

    NOT_ANSWERED = "not_answered"  # the documentation has no answer
    FAILED = "failed"  # the engine had none in time, or at all
    UNHELPFUL = "unhelpful"  # somebody said that the answer did not help
    HUMAN = "human"  # somebody asked for a person


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A question that went unanswered."""

    turn: TurnId
    thread: ThreadRef
    message: MessageRef  #: where it was asked
    author: str  #: the platform's id of who asked; "": forgotten
    question: str  #: with what was asked along with it; "": a mention alone, or `forgotten`
    before: str  #: what was asked before it in the thread: a follow-up cannot be read without it
    asked_at: float
    at: float  #: when it (last) went unanswered
    kinds: tuple[GapKind, ...]  #: at least one, each once, in the order of GapKind
    outcome: str  #: of the turn; see `core.domain.Turn`
    reasons: tuple[str, ...] = ()  #: what people wrote who found the answer unhelpful
    forgotten: bool = False  #: whether its text is deleted

    @property
    def said(self) -> str:
        """What was asked, as it is shown."""
        return self.question.strip() or MENTION_ALONE

    @property
    def person(self) -> tuple[str, str, str]:
        """Who asked, told apart from everybody else."""
        return self.thread.platform, self.thread.tenant, self.author


@dataclass(frozen=True, kw_only=True, slots=True)
class PageUse:
    """How often answers rested on a page."""

    url: str
    title: str
    times: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """How often answers rested on each page, and how many questions there were."""

    questions: int  #: that got a reply; small talk and refusals are none
    cited: tuple[PageUse, ...]  #: the most often cited first; pages that are gone since, too
    uncited: tuple[PageUse, ...]  #: pages at hand that no answer rested on, by address
    pages: int  #: at hand
