"""The endpoints of the OpenAI server for vector stores, their files and batches of files."""

from typing import Any

from aiohttp import web

from servers.openai_files import Files
from servers.openai_filters import check_filter
from servers.openai_vector_stores import STATUSES, Indexing, StoredFile, VectorStore, counts_of
from servers.openai_wire import (
    ApiError,
    Json,
    check_attributes,
    check_choice,
    check_fields,
    check_length,
    check_metadata,
    check_range,
    check_type,
    new_id,
    not_found,
    now,
    page_of,
    read_json,
)

FILES_IN_A_BATCH = 500  # the guides' number; newer descriptions of the API say 2,000
FILE_FIELDS = {"file_id", "attributes", "chunking_strategy"}


class VectorStores:
    """All vector stores, and the endpoints for them."""

    def __init__(self, files: Files, indexing: Indexing) -> None:
        self.all: dict[str, VectorStore] = {}
        self._files = files
        self._indexing = indexing

    def routes(self) -> list[web.RouteDef]:
        one = "/vector_stores/{store}"
        return [
            web.post("/vector_stores", self._create),
            web.get("/vector_stores", self._list),
            web.get(one, self._retrieve),
            web.delete(one, self._delete),
            web.post(f"{one}/search", self._search),
            web.post(f"{one}/files", self._attach),
            web.get(f"{one}/files", self._list_files),
            web.get(f"{one}/files/{{file}}", self._retrieve_file),
            web.post(f"{one}/files/{{file}}", self._relabel),
            web.delete(f"{one}/files/{{file}}", self._detach),
            web.post(f"{one}/file_batches", self._attach_batch),
            web.get(f"{one}/file_batches/{{batch}}", self._retrieve_batch),
            web.get(f"{one}/file_batches/{{batch}}/files", self._list_batch),
        ]

    def get(self, store_id: str) -> VectorStore:
        if store_id not in self.all:
            raise not_found(f"Vector store with id '{store_id}' not found.")
        return self.all[store_id]

    def usable(self, store_id: str) -> VectorStore:
        """A vector store that can be searched and written to."""
        store = self.get(store_id)
        if store.is_expired:
            raise ApiError(400, f"Vector store '{store_id}' is expired.")
        return store

    def _of(self, request: web.Request) -> VectorStore:
        return self.get(request.match_info["store"])

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        known = {"name", "description", "file_ids", "expires_after", "metadata"}
        check_fields(body, known | {"chunking_strategy"})
        check_metadata(body.get("metadata"))
        expires = body.get("expires_after")
        if expires is not None:
            check_fields(expires, {"anchor", "days"}, {"anchor", "days"}, at="expires_after.")
            check_choice(expires["anchor"], ("last_active_at",), "expires_after.anchor")
            check_range(expires["days"], 1, 365, "expires_after.days")
        files = [self._files.get(file_id) for file_id in body.get("file_ids") or []]
        store = VectorStore(
            name=body.get("name") or "", metadata=body.get("metadata") or {}, expires_after=expires
        )
        for file in files:
            store.add(file, self._indexing, {"chunking_strategy": body.get("chunking_strategy")})
        self.all[store.id] = store
        return web.json_response(store.shape())

    async def _list(self, request: web.Request) -> web.Response:
        shown = [store.shape() for store in self.all.values()]
        return web.json_response(page_of(shown, request.query))

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._of(request).shape())

    async def _delete(self, request: web.Request) -> web.Response:
        store = self._of(request)
        del self.all[store.id]
        return web.json_response(
            {"id": store.id, "object": "vector_store.deleted", "deleted": True}
        )

    async def _search(self, request: web.Request) -> web.Response:
        store = self.usable(request.match_info["store"])
        body = await read_json(request)
        known = {"query", "max_num_results", "ranking_options", "rewrite_query", "filters"}
        check_fields(body, known, {"query"})
        query = body["query"]
        check_type(query, (str, list), "query")
        queries = [query] if isinstance(query, str) else query
        most = body.get("max_num_results", 10)
        check_range(most, 1, 50, "max_num_results")
        if body.get("filters") is not None:
            check_filter(body["filters"])
        data = []
        for hit in store.search(queries, most, self._files, body.get("filters")):
            shape = hit.shape()
            data.append({**shape, "content": [{"type": "text", "text": shape.pop("text")}]})
        return web.json_response(
            {
                "object": "vector_store.search_results.page",
                "search_query": queries,
                "data": data,
                "has_more": False,
                "next_page": None,
            }
        )

    # --- files, one by one ---------------------------------------------------------------------

    async def _attach(self, request: web.Request) -> web.Response:
        store = self.usable(request.match_info["store"])
        body = await read_json(request)
        self._check_file(body)
        held = store.add(self._files.get(body["file_id"]), self._indexing, body)
        return web.json_response(held.shape())

    async def _list_files(self, request: web.Request) -> web.Response:
        return self._page(list(self._of(request).files.values()), request)

    async def _retrieve_file(self, request: web.Request) -> web.Response:
        held = self._of(request).held(request.match_info["file"])
        held.look(self._indexing)
        return web.json_response(held.shape())

    async def _relabel(self, request: web.Request) -> web.Response:
        """Change the attributes of a file, all of them at once."""
        store = self.usable(request.match_info["store"])
        held = store.held(request.match_info["file"])
        body = await read_json(request)
        check_fields(body, {"attributes"}, {"attributes"})
        check_attributes(body["attributes"])
        if not self._indexing.keeps_labels:
            raise not_found("Invalid URL (POST /v1/vector_stores/files).")
        held.attributes = body["attributes"] or {}
        return web.json_response(held.shape())

    async def _detach(self, request: web.Request) -> web.Response:
        store = self._of(request)
        held = store.held(request.match_info["file"])
        del store.files[held.file.id]
        return web.json_response(
            {"id": held.file.id, "object": "vector_store.file.deleted", "deleted": True}
        )

    # --- batches -------------------------------------------------------------------------------

    async def _attach_batch(self, request: web.Request) -> web.Response:
        store = self.usable(request.match_info["store"])
        entries = self._entries(await read_json(request))
        batch = new_id("vsfb_")
        taken = store.batches.setdefault(batch, [])
        for entry in entries:
            file = self._files.get(entry["file_id"])
            if not self._indexing.loses(file.name, in_batch=True):
                taken.append(store.add(file, self._indexing, entry).file.id)
        return web.json_response(self._batch(store, batch))

    async def _retrieve_batch(self, request: web.Request) -> web.Response:
        store, batch = self._of(request), request.match_info["batch"]
        for held in self._held_of(store, batch):
            held.look(self._indexing)
        shape = self._batch(store, batch)
        headers = {}
        if shape["status"] == "in_progress" and self._indexing.poll_after_ms is not None:
            headers["openai-poll-after-ms"] = str(self._indexing.poll_after_ms)
        return web.json_response(shape, headers=headers)

    async def _list_batch(self, request: web.Request) -> web.Response:
        return self._page(self._held_of(self._of(request), request.match_info["batch"]), request)

    def _entries(self, body: Json) -> list[Json]:
        """The files that a batch asks for, each with its own attributes and chunking."""
        shared = {"attributes", "chunking_strategy"}
        check_fields(body, {"file_ids", "files", *shared})
        if ("file_ids" in body) == ("files" in body):
            raise ApiError(400, "Exactly one of 'file_ids' and 'files' must be given.")
        common = {name: body[name] for name in shared if name in body}
        entries: list[Any] = body.get("files") or [
            {"file_id": file_id, **common} for file_id in body.get("file_ids") or []
        ]
        check_range(len(entries), 1, FILES_IN_A_BATCH, "files")
        for entry in entries:
            self._check_file(entry)
        return entries

    def _check_file(self, entry: Json) -> None:
        check_fields(entry, FILE_FIELDS, {"file_id"})
        check_length(entry["file_id"], 64, "file_id")
        check_attributes(entry.get("attributes"))
        self._files.get(entry["file_id"])

    def _held_of(self, store: VectorStore, batch: str) -> list[StoredFile]:
        if batch not in store.batches:
            raise not_found(f"No batch found with id '{batch}' in vector store '{store.id}'.")
        return [store.files[ref] for ref in store.batches[batch] if ref in store.files]

    def _batch(self, store: VectorStore, batch: str) -> Json:
        counts = counts_of(self._held_of(store, batch))
        return {
            "id": batch,
            "object": "vector_store.file_batch",
            "created_at": now(),
            "vector_store_id": store.id,
            "status": "in_progress" if counts["in_progress"] else "completed",
            "file_counts": counts,
        }

    def _page(self, held: list[StoredFile], request: web.Request) -> web.Response:
        status = request.query.get("filter")
        if status is not None:
            check_choice(status, STATUSES, "filter")
        shown = [file.shape() for file in held if status in (None, file.status)]
        return web.json_response(page_of(shown, request.query, also={"filter"}))
