"""Replies of Slack that say what went wrong, ready to be ordered."""

from typing import Any

from servers.faults import Fault


def api_error(code: str, **more: Any) -> Fault:
    """A refusal as Slack gives it: status 200, and the reason in the body."""
    return Fault(status=200, body={"ok": False, "error": code, **more})


def rate_limited(seconds: float | str) -> Fault:
    return Fault(
        status=429,
        body={"ok": False, "error": "ratelimited"},
        headers={"Retry-After": str(seconds)},
    )


def server_error(status: int = 503) -> Fault:
    return Fault(status=status, body="upstream connect error")


def html_page() -> Fault:
    """A proxy's own page, with status 200."""
    page = "<html><body>Checking your browser</body></html>"
    return Fault(status=200, body=page, content_type="text/html")


def broken_json() -> Fault:
    return Fault(status=200, body='{"ok": true, "ts": "17', content_type="application/json")
