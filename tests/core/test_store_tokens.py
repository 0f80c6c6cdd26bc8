"""What private replies are posted by: kept for minutes, and for nobody to read."""

import time
from dataclasses import replace

from sqlalchemy import func, select

from core.domain import MessageId, MessageRef
from core.store import Store
from core.store.schema import reply_tokens
from core.tokens import ReplyToken
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

QUESTION = MessageRef(platform="slack", tenant="T1", channel="c1", message=MessageId("m1"))


def token(text: str = "secret", *, seconds: float = 600.0) -> ReplyToken:
    return ReplyToken(token=text, expires_at=time.time() + seconds)


async def kept(store: Store) -> int:
    async with store._database.read() as connection:
        query = select(func.count()).select_from(reply_tokens)
        return int((await connection.execute(query)).scalar_one())


def test_a_token_is_not_shown_where_its_value_is() -> None:
    assert "secret" not in repr(token())


async def test_a_token_is_kept_for_its_question_until_it_is_erased(store: Store) -> None:
    first = token()
    await store.tokens.put(QUESTION, "U1", first)
    await store.tokens.put(QUESTION, "U1", token("another"))
    assert await store.tokens.get(QUESTION) == first
    assert await store.tokens.get(replace(QUESTION, message=MessageId("m2"))) is None
    for _ in range(2):
        await store.tokens.erase(QUESTION)
    assert await store.tokens.get(QUESTION) is None


async def test_a_token_that_has_expired_is_not_given_out_and_goes(store: Store) -> None:
    await store.tokens.put(QUESTION, "U1", token(seconds=-1.0))
    assert await store.tokens.get(QUESTION) is None
    await store.tokens.erase_expired()
    assert await kept(store) == 0


async def test_the_tokens_of_a_person_are_forgotten_with_that_person(store: Store) -> None:
    await store.tokens.put(QUESTION, "U1", token())
    other = replace(QUESTION, message=MessageId("m2"))
    await store.tokens.put(other, "U2", token())
    await store.people.forget("slack", "U1")
    assert await store.tokens.get(QUESTION) is None
    assert await store.tokens.get(other) is not None


async def test_the_token_of_a_question_goes_with_its_reply(store: Store) -> None:
    made = Bench(store, ScriptedEngine(), RecordingPlatform())
    async with made.running():
        (asked,) = await made.ask("How do I start?", thread="c1:private:1")
        await store.tokens.put(asked.ref, asked.author, token())
        await made.idle()
        assert await store.tokens.get(asked.ref) is None
