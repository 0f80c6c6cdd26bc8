"""How log lines look: sentences with fields, for people on a terminal, else JSON for machines."""

import json
import logging
import sys
import traceback
from typing import Any

from core.settings import LogFormat

# What every record has; the rest of its fields came in by `extra`.
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# At DEBUG these write requests and replies: tokens, and what people say. At INFO, slack_bolt writes
# the body of each HTTP request that it rejects.
SDK_LOGGERS = (
    "aiohttp",
    "discord",
    "httpcore",
    "httpx",
    "httpx2",
    "openai",
    "slack_bolt",
    "slack_sdk",
)


def set_up_logging(level: str, style: LogFormat) -> None:
    """Write Docent's log to standard error, and keep the SDKs to warnings."""
    if style == "auto":
        style = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("core").setLevel(level)
    logging.getLogger("bots").setLevel(level)
    for name in SDK_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """`12:30:01 INFO  Turn ended · outcome=answered seconds=2.1`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Add the fields to the sentence."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        sentence = super().formatMessage(record)
        return f"{sentence} · {fields}" if fields else sentence


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record with its fields; a traceback becomes one of them."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _OWN_FIELDS and value is not None
    }
