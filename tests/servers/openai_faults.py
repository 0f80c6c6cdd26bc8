"""Replies of OpenAI that say what went wrong, ready to be ordered."""

from servers.faults import Fault


def error(status: int, message: str, code: str | None, kind: str, **headers: str) -> Fault:
    """A reply in OpenAI's error shape; `retry_after="2"` becomes the header Retry-After."""
    return Fault(
        status=status,
        body={"error": {"message": message, "type": kind, "param": None, "code": code}},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def rate_limited(**headers: str) -> Fault:
    message = "Rate limit reached for requests."
    return error(429, message, "rate_limit_exceeded", "requests", **headers)


def out_of_quota() -> Fault:
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(429, message, "insufficient_quota", "insufficient_quota")


def server_error(status: int = 500) -> Fault:
    message = "The server had an error while processing your request. Sorry about that!"
    return error(status, message, None, "server_error")


def html_page() -> Fault:
    """A proxy's own page, with status 200: the SDK hands it out as text."""
    page = "<html><body>Checking your browser</body></html>"
    return Fault(status=200, body=page, content_type="text/html")


def broken_json() -> Fault:
    return Fault(status=200, body='{"id": "resp_', content_type="application/json")
