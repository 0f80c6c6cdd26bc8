"""A docs site's deploy hook: a signed request over HTTP that asks for a refresh.

Here is what such a request has to bear, and what comes of it; the server that takes it is
elsewhere. The documentation itself is never taken from a request, so a request that somebody
recorded and sends again can do no more than ask once more.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping

from core.errors import DocumentsError, RefreshBusy, StoreError, WebhookRefused
from core.mishaps import log_mishap
from core.refresh import Refresher
from core.refresh.refresher import unseen

log = logging.getLogger(__name__)

SIGNATURE = "x-docent-signature-256"  # sha256=<hex>, of the body or of `<timestamp>.<body>`
TIMESTAMP = "x-docent-timestamp"  # seconds since the epoch
SIGNATURE_OF_HOSTS = "x-hub-signature-256"  # the same, as code hosts sign the body
TOLERANCE = 300.0  # seconds by which a timestamp may differ from our clock
LARGEST_BODY = 1_000_000  # bytes; hosts send what was deployed along, which is not read
BY = "the webhook"
PAUSE = 15.0  # seconds until a refresh that somebody else's keeps waiting is tried again


def check_signature(
    secret: str, body: bytes, headers: Mapping[str, str], now: float | None = None
) -> None:
    """Make sure that whoever sent a request knows the secret. Raises WebhookRefused.

    `body` is the raw one; the names of the headers may have any case. Where there is a timestamp,
    it is signed together with the body (`<timestamp>.<body>`), and must be of the last minutes.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    signature = given.get(SIGNATURE) or given.get(SIGNATURE_OF_HOSTS, "")
    stamp = given.get(TIMESTAMP)
    signed = body if stamp is None else stamp.encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    # As bytes: compare_digest takes no text beyond ASCII.
    if not hmac.compare_digest(f"sha256={expected}".encode(), signature.lower().encode()):
        raise WebhookRefused
    if stamp is not None and not _is_fresh(stamp, time.time() if now is None else now):
        raise WebhookRefused("The request is too old, or the clocks differ: sign it anew.")


def _is_fresh(stamp: str, now: float) -> bool:
    return stamp.isascii() and stamp.isdecimal() and abs(now - float(stamp)) <= TOLERANCE


class DeployHook:
    """Takes requests, and refreshes: once for all that come while a refresh is under way."""

    def __init__(self, *, secret: str, refresher: Refresher, pause: float = PAUSE) -> None:
        self._secret = secret
        self._refresher = refresher
        self._pause = pause
        self._asked = asyncio.Event()

    def receive(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Ask for a refresh, and return at once. Raises WebhookRefused."""
        try:
            check_signature(self._secret, body, headers)
        except WebhookRefused as refusal:
            log.warning("A request to refresh was refused: %s", refusal)
            raise
        self._asked.set()

    async def run(self) -> None:
        """Refresh whenever it was asked for; to be cancelled at the end. Never raises by itself."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            log.info("Refresh asked for over HTTP")
            try:
                await self._refresher.refresh(unseen, by=BY)
            except RefreshBusy:
                # The one under way may have read the pages before they were deployed.
                self._asked.set()
                await asyncio.sleep(self._pause)
            except (DocumentsError, StoreError) as error:
                log.error("Refresh failed: %s", error)
            except Exception as error:  # noqa: BLE001 (the next request may fare better)
                log_mishap(log, "Unforeseen error in a refresh", error)
