"""Attached files on record: taken with their question, read once, and forgotten with it."""

from core.domain import Attached, MessageId, MessageRef, Turn
from core.store import Store
from servers.mentions import mention


def test_x() -> None:
    assert Attached
