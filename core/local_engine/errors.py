"""Where errors of the store become errors of the engine, which is what its callers know."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import EngineUnreachable, StoreError


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise EngineUnreachable in place of StoreError."""
    try:
        yield
    except StoreError as error:
        raise EngineUnreachable from error
