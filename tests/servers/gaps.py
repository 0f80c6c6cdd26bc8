"""Questions that went unanswered, for tests: as values, and as they get into the store."""

from core.domain import Answer, Citation, MessageId, MessageRef, ThreadRef, Turn, TurnId, TurnState
from core.store import Store
from core.unanswered import Gap, GapKind
from servers.mentions import mention


def gap(
    number: int,
    question: str,
    *,
    before: str = "",
    author: str = "U1",
    key: str = "t1",
    platform: str = "slack",
    at: float | None = None,
    kinds: tuple[GapKind, ...] = (GapKind.NOT_ANSWERED,),
    forgotten: bool = False,
) -> Gap:
    """A question, asked at the time of its number."""
    ref = ThreadRef(platform=platform, tenant="T1", key=key)
    return Gap(
        turn=TurnId(number),
        thread=ref,
        message=MessageRef(
            platform=platform, tenant="T1", channel="C1", message=MessageId(str(number))
        ),
        author=author,
        question=question,
        before=before,
        asked_at=float(number) if at is None else at,
        at=float(number) if at is None else at,
        kinds=kinds,
        outcome="not_answered",
        forgotten=forgotten,
    )


async def asked(
    store: Store, text: str = "How do I start?", outcome: str = "not_answered", **of_mention: object
) -> Turn:
    """Ask, and have it end like this: the fallback is posted for all but answers."""
    turn = await store.turns.take(mention(text, **of_mention))  # type: ignore[arg-type]
    assert turn is not None
    return await settled(store, turn, outcome)


async def settled(
    store: Store, turn: Turn, outcome: str, citations: tuple[Citation, ...] = ()
) -> Turn:
    """Let a turn end like this, and its reply be posted."""
    is_answer = outcome in ("answered", "incomplete")
    state = TurnState.ANSWERED if is_answer else TurnState.FAILED
    answer = Answer(text="So.", citations=citations) if is_answer else None
    assert await store.progress.settle(turn, state, outcome, answer, ["rendered"])
    await store.progress.posted(turn, 0, MessageId(f"p{turn.id}"), last=True)
    found = await store.turns.get(turn.id)
    assert found is not None
    return found
