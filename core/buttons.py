"""Which buttons stand under which reply."""

from typing import Final

from core.domain import Button, Turn

#: Outcomes where nothing was asked, or asking again would bring the same.
NO_ANSWER_MEANT: Final = frozenset({"small_talk", "limited"})
STOPPED: Final = "stopped"  #: the outcome of an answer that somebody stopped
#: Outcomes with an answer: others may want to see it, and it shows what waits for the asker.
ANSWERED: Final = frozenset({"answered", "incomplete"})


def buttons_for(
    turn: Turn,
    *,
    humans: bool,
    shares: bool = False,
    confirms: bool = False,
    others: bool = False,
) -> tuple[Button, ...]:
    """The buttons under the reply to a turn that has its outcome, in their order.

    `humans`: whether there is anybody to call where it was asked. `shares`: whether others are
    there who do not see the answer. `confirms`: whether calls of tools wait for the asker.
    `others`: whether people may talk with each other there.
    """
    if turn.outcome in NO_ANSWER_MEANT:
        return ()
    if confirms:  # asking again would ask for the same; there is no verdict before it is done
        return (Button.CONFIRM, Button.DENY)
    people = (Button.HUMAN,) if humans else ()
    share = (Button.SHARE,) if shares and turn.outcome in ANSWERED else ()
    # Who stops an answer may want no more of them; elsewhere it would be one button too many.
    quiet = (Button.QUIET,) if others and turn.outcome == STOPPED else ()
    return (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN, *share, *people, *quiet)


def draft_buttons() -> tuple[Button, ...]:
    """The buttons under a reply that is still being written."""
    return (Button.STOP,)
