"""Which vector store the documents are in: the one of the settings, else one that we made."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import openai
from openai import AsyncOpenAI, types

from core.errors import EngineRefused
from core.openai_engine.client import POLL_TIMEOUT
from core.openai_engine.errors import is_missing, translate_errors, usable
from core.openai_engine.patience import PAUSES, patiently

log = logging.getLogger(__name__)


class VectorStore:
    """The vector store that holds the documents."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        configured: str | None,
        load: Callable[[], Awaitable[str | None]],
        save: Callable[[str], Awaitable[None]],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Use the vector store `configured`; where it is None, one that is made when it is needed.

        `load` and `save` remember the id of that one; `save` is called when a new one was made.
        """
        self._client = client
        self._configured = configured
        self._load = load
        self._save = save
        self._pauses = pauses
        self._one_at_a_time = asyncio.Lock()

    async def id(self) -> str | None:
        """Say which vector store to search; None while there is none. Asks OpenAI nothing."""
        return self._configured or await self._load()

    async def ensure(self) -> str:
        """Say which vector store to write to, after making sure that it can be written to.

        Makes one where there is none, or where the one that we made is gone. Raises EngineRefused
        where the one of the settings is gone, EngineBusy or EngineUnreachable as engines do.
        """
        async with self._one_at_a_time:  # two that find none would make two
            return await self._ensure()

    async def _ensure(self) -> str:
        known = await self.id()
        if known is not None and await patiently(lambda: self._usable(known), self._pauses):
            return known
        if self._configured:
            raise EngineRefused(
                "OPENAI_VECTOR_STORE_ID names a vector store that does not exist for this key, or "
                "has expired: correct it, or remove it to have one made.",
                reason="vector_store_not_found",
            )
        made = await patiently(self._make, self._pauses)
        await self._save(made)
        log.info("A vector store was made", extra={"vector_store": made, "instead_of": known})
        return made

    async def _usable(self, store: str) -> bool:
        with translate_errors():
            try:
                reply = await self._client.vector_stores.retrieve(store, timeout=POLL_TIMEOUT)
            except openai.APIStatusError as error:
                if is_missing(error):
                    return False
                raise
            return usable(types.VectorStore, reply).status != "expired"

    async def _make(self) -> str:
        with translate_errors():
            reply = await self._client.vector_stores.create(name="docent")
            return usable(types.VectorStore, reply).id
