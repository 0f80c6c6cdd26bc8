"""Steps of a turn, for tests that take them one by one."""

from core.domain import Mention, Turn
from core.store import Store


async def take(store: Store, asked: Mention) -> Turn:
    """A mention as a turn, which it was not before."""
    turn = await store.turns.take(asked)
    assert turn is not None
    return turn


async def read(store: Store, turn: Turn) -> Turn:
    """A turn as it is on record now."""
    found = await store.turns.get(turn.id)
    assert found is not None
    return found


async def gathered(store: Store, turn: Turn) -> Turn:
    """A turn that waits, joined with what is asked together with it."""
    found = await store.progress.gather(turn)
    assert found is not None
    return found.turn
