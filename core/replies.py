"""What is said in a thread, in our own words and order, before a platform renders it."""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from core.clock import now
from core.domain import Answer, Citation, Guide, Reply, Turn
from core.mishaps import log_mishap

log = logging.getLogger(__name__)

DEFAULT_FALLBACK = "I cannot reply at this time. Reach out to the team on Discord"
GREETING = "Hello! Ask me anything about the documentation, and I answer in this thread."
STOPPED = "Stopped."
NOTHING_TO_READ = "I could read nothing of what you sent me. Tell me in words what you need."
WAITS = "Waits for your confirmation:"
CONFIRM_FIRST = "I need your confirmation first."
WELCOME = "You're welcome!"
TOO_LATE = "I am sorry: I was away when you asked this, and see it only now."
GREETINGS = frozenset(
    {"", "hi", "hello", "hey", "hallo", "hi there", "hello there", "good morning", "help"}
    | {"what can you do", "who are you"}
)
THANKS = frozenset({"thanks", "thank you", "thx", "thanks a lot", "many thanks", "danke", "merci"})
QUIET = "I am quiet in this thread from now on. Mention me when you want me back."
#: What tells us to be quiet, as the whole of a message.
STOPS = frozenset(
    {"stop", "please stop", "stop please", "stop it", "be quiet", "please be quiet", "quiet"}
    | {"shut up", "pst", "psst", "shush", "hush", "silence", "go away", "be silent", "mute"}
    | {"stopp", "halt", "sei still", "sei ruhig", "ruhe", "ruhe bitte", "schweig"}
    | {"arrête", "arrete", "tais toi", "chut", "basta", "para", "cállate", "callate", "silencio"}
    | {"zitto", "stai zitto", "hou op", "stil", "pare", "cale se", "tyst", "стоп", "тихо", "停止"}
    | {"やめて", "静かに", "安静", "闭嘴", "그만"}
)
HELPFUL_PAGES = 3  # at most, under a fallback
NAMED_FILES = 10  # that cannot be read, at most
NAME_LENGTH = 120  # characters of such a one, with the reason

DAY = 86_400.0  # seconds

FindPages = Callable[[str, int, Sequence[str]], Awaitable[Sequence[Citation]]]
LastRefresh = Callable[[], Awaitable[float | None]]


async def _never() -> None:
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Replies:
    """Composes the reply to a turn."""

    #: Pages that may help with a question, the best first; of some sources, where any are named.
    find_pages: FindPages
    guide_for: Callable[[Turn], Guide] = lambda _: Guide()  #: how a question is to be answered
    last_refresh: LastRefresh = _never  #: when the documentation was brought up to date
    max_age: float | None = None  #: seconds from then on after which answers say how long ago
    fallback_message: str = DEFAULT_FALLBACK
    invite_url: str | None = None

    async def answer(self, turn: Turn, answer: Answer, waiting: Sequence[str] = ()) -> Reply:
        """The reply that hands on an answer. Raises StoreError.

        `waiting` is what the asker is to confirm, in words that a model may have chosen.
        """
        notes = (*_unread_notes(turn), *await self._age_notes())
        if answer.incomplete:
            notes = ("This answer was cut short. Ask again for the rest.", *notes)
        links = answer.citations
        return Reply(text=answer.text, links=links, notes=notes, waiting=tuple(waiting))

    def stopped(self, turn: Turn, written: str) -> Reply:
        """The reply of an answer that somebody stopped: what is written of it."""
        if not written.strip():
            return Reply(text=STOPPED, notes=_unread_notes(turn))
        return Reply(text=written, notes=(STOPPED, *_unread_notes(turn)))

    def nothing_to_read(self, turn: Turn) -> Reply:
        """The reply to files that cannot be read, and nothing else."""
        return Reply(text=NOTHING_TO_READ, notes=_unread_notes(turn))

    def small_talk(self, turn: Turn, said: str) -> Reply:
        """The reply to a mention that asks nothing."""
        return Reply(text=said, notes=_unread_notes(turn))

    async def fallback(self, turn: Turn, said: str = "", begun: Sequence[str] = ()) -> Reply:
        """The reply that points to people, and to pages that may help.

        `said` is what the engine had to say for itself; `begun`, what was called nevertheless.
        Never raises: nothing is behind it.
        """
        message, unread = self.fallback_message, _unread_notes(turn)
        if self.invite_url and self.invite_url not in message:
            message = f"{message.rstrip('.:')}: {self.invite_url}"
        return Reply(
            text=f"{said}\n\n{message}" if said else message,
            links=tuple(await self._helpful_pages(turn)),
            links_title="These pages may help",
            notes=(*(f"I called this, as you confirmed: {call}" for call in begun), *unread),
        )

    async def _age_notes(self) -> tuple[str, ...]:
        refreshed = None if self.max_age is None else await self.last_refresh()
        if self.max_age is None or refreshed is None or now() - refreshed <= self.max_age:
            return ()
        days = int((now() - refreshed) // DAY)
        ago = f"{days} days ago" if days > 1 else "more than a day ago" if days else "today"
        return (f"The documentation was last refreshed {ago}.",)

    async def too_late(self, turn: Turn) -> Reply:
        """The reply to a question that waited for too long while Docent was away. Never raises."""
        return await self.fallback(turn, TOO_LATE)

    async def _helpful_pages(self, turn: Turn) -> Sequence[Citation]:
        try:
            sources = self.guide_for(turn).sources
            return await self.find_pages(turn.question, HELPFUL_PAGES, sources)
        except Exception as error:  # noqa: BLE001 (the fallback is the last resort)
            log_mishap(log, "No pages for the fallback", error, turn=turn.id)
            return ()


def small_talk(question: str) -> str | None:
    """What to say where nothing is asked: to a mention alone, a greeting, thanks, or a stop."""
    words = _words(question)
    if words in STOPS:
        return QUIET
    if words in THANKS:
        return WELCOME
    return GREETING if words in GREETINGS and (words or not question.strip()) else None


def is_stop(said: str) -> bool:
    """Whether all that is said is that we are to be quiet."""
    return _words(said) in STOPS


def _words(said: str) -> str:
    words = " ".join(re.findall(r"\w+", said.lower()))
    return words.removesuffix(" docent").removeprefix("docent ")


def _unread_notes(turn: Turn) -> tuple[str, ...]:
    if not turn.unread:
        return ()
    named = ", ".join(_shortened(name) for name in turn.unread[:NAMED_FILES])
    more = len(turn.unread) - NAMED_FILES
    return (f"I could not read: {named}{f', and {more} more' if more > 0 else ''}.",)


def _shortened(name: str) -> str:
    """A file and what is wrong with it, which stands at the end."""
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH // 2]}…{name[-NAME_LENGTH // 2 :]}"
