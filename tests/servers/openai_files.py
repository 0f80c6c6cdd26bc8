"""Files of the OpenAI server, as they were uploaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from servers.openai_wire import (
    ApiError,
    Json,
    check_choice,
    check_fields,
    check_range,
    new_id,
    not_found,
    now,
    page_of,
)

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file in a form."""

    name: str
    content: bytes


@dataclass
class File:
    name: str
    content: bytes
    purpose: str
    expires_at: int | None = None
    id: str = field(default_factory=lambda: new_id("file-"))
    created_at: int = field(default_factory=now)

    def shape(self) -> Json:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """All files, and the endpoints for them."""

    def __init__(self) -> None:
        self.all: dict[str, File] = {}
        self.deleted: list[str] = []  #: ids, in the order in which they were
        self.purposes: Sequence[str] = PURPOSES  #: some servers have fewer
        self.may_expire = True  #: whether files may have an end; some servers know none

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/files", self._create),
            web.get("/files", self._list),
            web.get("/files/{file}", self._retrieve),
            web.delete("/files/{file}", self._delete),
            web.get("/files/{file}/content", self._content),
        ]

    def expire(self, file_id: str) -> None:
        """Let a file have come to its end."""
        del self.all[file_id]

    def get(self, file_id: str) -> File:
        if file_id not in self.all:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return self.all[file_id]

    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type != "multipart/form-data":
            raise ApiError(400, "Invalid request: expected multipart/form-data.")
        form = await _read_form(request)
        ends = {"expires_after[anchor]", "expires_after[seconds]"} if self.may_expire else set()
        check_fields(form, {"file", "purpose"} | ends, required={"file", "purpose"})
        _check_end(form)
        upload, purpose = form["file"], form["purpose"]
        if not isinstance(upload, Upload):
            raise ApiError(400, "Invalid type for 'file'.", code="invalid_type", param="file")
        check_choice(purpose, self.purposes, "purpose")
        file = File(
            name=upload.name,
            content=upload.content,
            purpose=str(purpose),
            expires_at=_expiry(form.get("expires_after[seconds]")),
        )
        if not file.content:
            raise ApiError(400, "File is empty.", code="empty_file", param="file")
        self.all[file.id] = file
        return web.json_response(file.shape())

    async def _list(self, request: web.Request) -> web.Response:
        purpose = request.query.get("purpose")
        shown = [file.shape() for file in self.all.values() if purpose in (None, file.purpose)]
        listed = page_of(shown, request.query, default=10_000, most=10_000, also={"purpose"})
        return web.json_response(listed)

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self.get(request.match_info["file"]).shape())

    async def _delete(self, request: web.Request) -> web.Response:
        file = self.get(request.match_info["file"])
        del self.all[file.id]
        self.deleted.append(file.id)
        return web.json_response({"id": file.id, "object": "file", "deleted": True})

    async def _content(self, request: web.Request) -> web.Response:
        file = self.get(request.match_info["file"])
        if file.purpose == "assistants":
            raise ApiError(400, "Not allowed to download files of purpose: assistants")
        return web.Response(body=file.content, content_type="application/octet-stream")


async def _read_form(request: web.Request) -> dict[str, Upload | str]:
    """The fields of a form. `request.post` would leave a file open when a client goes away."""
    form: dict[str, Upload | str] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        name = part.name or ""
        if part.filename is None:
            form[name] = content.decode()
        else:
            form[name] = Upload(name=part.filename, content=content)
    return form


def _check_end(form: Mapping[str, Upload | str]) -> None:
    anchor, seconds = (form.get(f"expires_after[{name}]") for name in ("anchor", "seconds"))
    if (anchor is None) != (seconds is None):
        raise ApiError(400, "Missing required parameter: 'expires_after'.", param="expires_after")
    if anchor is not None:
        check_choice(anchor, ("created_at",), "expires_after.anchor")


def _expiry(seconds: object) -> int | None:
    if seconds is None:
        return None
    check_range(int(str(seconds)), 3600, 2_592_000, "expires_after.seconds")
    return now() + int(str(seconds))


def not_in_store(file_id: str, store_id: str) -> ApiError:
    return not_found(f"No file found with id '{file_id}' in vector store '{store_id}'.")
