"""The files of the loopback Slack: who may read them, and how Slack refuses.

Without the token, or the scope, Slack does not say 401: it shows a page to sign in, with 200 or
after a redirect.
"""

import itertools
import mimetypes
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from aiohttp import web

from servers.slack_workspace import TEAM, Json, SlackError
from servers.uploads import FileRequest, Upload, served

LOGIN: Final = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head></html>"


class SlackFiles:
    """What people have uploaded, and how it is described and served."""

    def __init__(self, token: str, scopes: Collection[str], changed: Callable[[], None]) -> None:
        self._token = token
        self._scopes = scopes
        self._changed = changed
        self._numbers = itertools.count(1)
        self.base_url = ""
        self.uploads: dict[str, Upload] = {}
        self.described: dict[str, Json] = {}  #: as messages and files.info describe them
        self.requests: list[FileRequest] = []
        self.redirects_to_login = False

    def upload(
        self,
        name: str,
        content: bytes = b"something",
        /,
        *,
        media_type: str | None = None,
        said: int | None = None,
        **more: Any,
    ) -> Json:
        """A new file as messages describe it; `more` says otherwise."""
        number = f"F0FILE{next(self._numbers)}"
        kind = media_type or mimetypes.guess_type(name)[0] or "text/plain"
        size = len(content) if said is None else said
        self.uploads[number] = Upload(
            id=number, name=name, content=content, media_type=kind, said=size
        )
        at, page = int(time.time()), f"{self.base_url}/files-pri/{TEAM}-{number}"
        self.described[number] = {
            "id": number,
            "created": at,
            "timestamp": at,
            "name": name,
            "title": name,
            "mimetype": kind,
            "filetype": name.rpartition(".")[2],
            "mode": "hosted",
            "size": size,
            "is_external": False,
            "external_type": "",
            "is_public": True,
            "file_access": "visible",
            "url_private": f"{page}/{name}",
            "url_private_download": f"{page}/download/{name}",
            "permalink": f"https://docs.slack.example/files/{number}/{name}",
            **more,
        }
        return self.described[number]

    def foreign(self, name: str, content: bytes = b"something") -> Json:
        """A file of another workspace, of which messages say no more than that it is one."""
        file = self.upload(name, content)
        kept = {name: file[name] for name in ("id", "created")}
        return kept | {"mode": "file_access", "file_access": "check_file_info"}

    def info(self, number: str) -> Json:
        """What files.info says."""
        if "files:read" not in self._scopes:
            raise SlackError("missing_scope", needed="files:read", provided="chat:write")
        if number not in self.described:
            raise SlackError("file_not_found")
        return {"file": self.described[number]}

    def delete(self, number: str) -> None:
        """Let somebody delete a file."""
        del self.uploads[number], self.described[number]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a file."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append(
            FileRequest(path=request.path, query=request.query_string, token=token)
        )
        self._changed()
        if token != self._token or "files:read" not in self._scopes:
            if self.redirects_to_login:
                return web.Response(status=302, headers={"Location": f"/?redir={request.path}"})
            return self.login()
        upload = self.uploads.get(request.match_info["file"].partition("-")[2])
        if upload is None:
            return web.Response(
                status=404, text="<html>There is no such file", content_type="text/html"
            )
        return await served(upload, request)

    def login(self) -> web.Response:
        """The page to sign in, as Slack shows it instead of saying no."""
        return web.Response(text=LOGIN, content_type="text/html")
