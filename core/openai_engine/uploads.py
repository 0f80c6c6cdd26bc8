"""Attached files at OpenAI: uploaded for a while, named in questions, and deleted.

They are no documents: in no vector store, for another purpose, and with names that no file of the
documentation has. So a refresh that tidies up leaves them alone.
"""

import io
import logging
import re
from collections.abc import Sequence
from typing import Literal

import openai
from openai import AsyncOpenAI, omit
from openai.types import FileDeleted, FileObject

from core.openai_engine.client import POLL_TIMEOUT, UPLOAD_TIMEOUT
from core.openai_engine.errors import is_missing, translate_errors, usable
from core.parallel import each
from core.ports import FileKind

log = logging.getLogger(__name__)

LEAST_KEPT, MOST_KEPT = 3_600, 2_592_000  # seconds that OpenAI keeps a file that has an end
NAME_LENGTH = 60  # characters of a name, without its ending
MARK = "attached"  # what the names end with

Purpose = Literal["vision", "user_data", "assistants"]
_PURPOSES: dict[FileKind, Purpose] = {"image": "vision", "document": "user_data"}


class Uploads:
    """Uploads files for questions."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self._refused: set[Purpose] = set()  # purposes that the server does not have
        self._expires = True  # whether the server lets files have an end

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        """Upload a file, in one request that is never repeated here; its id.

        With two exceptions: a server that has no such purpose, or no end of files, has refused the
        request, which goes once more without. Raises EngineError as engines do.
        """
        with translate_errors():
            while True:
                try:
                    return await self._create(name, kind, data, keep)
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    if not self._learns(error, kind):
                        raise

    async def delete(self, uploads: Sequence[str]) -> None:
        """Delete files, some at once; what is gone is no error. Raises EngineError."""
        await each(uploads, self._delete)

    async def _create(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        seconds = round(min(max(keep, LEAST_KEPT), MOST_KEPT))
        reply = await self._client.files.create(
            # Not the bytes as they are: those would be copied twice on their way.
            file=(file_name(name), io.BytesIO(data)),
            purpose=self._purpose(kind),
            expires_after={"anchor": "created_at", "seconds": seconds} if self._expires else omit,
            timeout=UPLOAD_TIMEOUT,
        )
        return usable(FileObject, reply).id

    def _purpose(self, kind: FileKind) -> Purpose:
        purpose = _PURPOSES[kind]
        return "assistants" if purpose in self._refused else purpose

    def _learns(self, error: openai.APIStatusError, kind: FileKind) -> bool:
        """Find out what a server lacks that has refused a request; False where it is not that."""
        said = str(error.body or error).lower()
        if self._expires and "expires_after" in said:
            log.info("The server lets files have no end: they are deleted after their time")
            self._expires = False
            return True
        if "purpose" in said and self._purpose(kind) != "assistants":
            self._refused.add(self._purpose(kind))
            return True
        return False

    async def _delete(self, upload: str) -> None:
        with translate_errors():
            try:
                usable(FileDeleted, await self._client.files.delete(upload, timeout=POLL_TIMEOUT))
            except openai.APIStatusError as error:
                if not is_missing(error):
                    raise


def file_name(name: str) -> str:
    """Name a file for OpenAI, which goes by the ending: readable, and with our mark."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, ending) if dot else (name, "")
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower())[:NAME_LENGTH].strip("-")
    known = re.sub(r"[^a-z0-9]+", "", ending.lower())[:8]
    marked = "-".join(filter(None, (slug, MARK)))
    return f"{marked}.{known}" if known else marked
