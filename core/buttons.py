"""Which buttons stand under which reply."""

from typing import Final

from core.domain import Button, Turn

#: Outcomes where nothing was asked, or asking again would bring the same.
NO_ANSWER_MEANT: Final = frozenset({"small_talk", "limited"})


def buttons_for(turn: Turn, *, humans: bool) -> tuple[Button, ...]:
    """The buttons under the reply to a turn that has its outcome, in their order.

    `humans`: whether there is anybody to call where it was asked.
    """
    if turn.outcome in NO_ANSWER_MEANT:
        return ()
    people = (Button.HUMAN,) if humans else ()
    return (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN, *people)


def draft_buttons() -> tuple[Button, ...]:
    """The buttons under a reply that is still being written."""
    return (Button.STOP,)
