"""Reading the files that people attach, with the bot's token, which goes to Slack's hosts only."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from yarl import URL

from bots.download import GONE, Hosts, Loaded, NotGiven, download, too_large
from bots.slack_bot.api import SlackApi
from bots.slack_bot.attached import Ref, ref_of, size_of, why_not
from bots.slack_bot.errors import FileGone, MissingScope, translated
from core.domain import Attached
from core.errors import FileUnreadable, PlatformRefused, ThreadGone, TokenRefused

log = logging.getLogger(__name__)

SCOPE: Final = "files:read"
NOT_LET: Final = "Slack does not let me read it"
_HINT: Final = (
    f"Give the Slack app the scope {SCOPE} and install it again; `docent manifest slack` prints "
    "all that it needs."
)
_PAGES: Final = (b"<!doctype html", b"<html")  #: how a page begins
_MARK: Final = b"\xef\xbb\xbf"

_Json = Mapping[str, Any]


class Files:
    """Reads files of one workspace."""

    def __init__(self, api: Callable[[], SlackApi]) -> None:
        self._api = api
        self._told = False

    async def read(self, file: Attached, limit: int) -> bytes:
        """See `Platform.read_file`."""
        ref, size = Ref.read(file.ref), file.size
        try:
            url = ref.url
            if not url:
                url, size = await self._ask_for(ref)
            if size > limit:
                raise too_large(limit)
            loaded = await self._load(url, limit)
        except NotGiven as error:
            refused = error.status in (401, 403)
            raise (self._not_let() if refused else FileUnreadable(GONE)) from None
        if _is_page(loaded) and len(loaded.data) != size:
            raise self._not_let()
        return loaded.data

    async def _load(self, url: str, limit: int) -> Loaded:
        api = self._api()
        headers = {"Authorization": f"Bearer {api.client.token}"}
        return await download(
            api.session, url, hosts(api.own), limit, headers=headers, proxy=api.client.proxy
        )

    async def _ask_for(self, ref: Ref) -> tuple[str, int]:
        """Ask for a file of another workspace, whose event has but its id: where, and how large."""
        try:
            with translated():
                reply = await self._api().client.files_info(file=ref.id)
                file: _Json = reply["file"]
                found = ref_of(file)
        except TokenRefused:
            raise
        except FileGone:
            raise FileUnreadable(GONE) from None
        except MissingScope:
            raise self._not_let() from None
        except (PlatformRefused, ThreadGone):
            raise FileUnreadable(NOT_LET) from None
        if reason := why_not(file):
            raise FileUnreadable(reason)
        if found is None or not found.url:
            raise FileUnreadable(NOT_LET)
        return found.url, size_of(file)

    def _not_let(self) -> FileUnreadable:
        """Tell the operator, who can mend it, and be short with who asks."""
        log.log(
            logging.DEBUG if self._told else logging.WARNING,
            "Slack does not let the bot read an attached file. %s",
            _HINT,
        )
        self._told = True
        return FileUnreadable(NOT_LET)


def hosts(own: URL | None) -> Hosts:
    """The hosts that the token may go to; `own` is the address of a server in Slack's place."""
    return Hosts(
        names=frozenset({"files.slack.com", "slack-files.com"}),
        domains=("slack.com", "slack-files.com"),
        own=own,
    )


def _is_page(loaded: Loaded) -> bool:
    """Whether it may be no file but a page: Slack asks to sign in, with 200, without the scope.

    A file that is a page itself is known by its size.
    """
    begins = loaded.data[:500].removeprefix(_MARK).lstrip()[:20].lower()
    return loaded.media_type == "text/html" or begins.startswith(_PAGES)
