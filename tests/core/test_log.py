import json
import logging
from collections.abc import Iterator

import pytest

from core.log import JsonFormatter, TextFormatter, set_up_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name in ("core", "bots", "openai", "slack_sdk", "slack_bolt", "discord"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def record(**extra: object) -> logging.LogRecord:
    logger = logging.getLogger("core.test")
    return logger.makeRecord(
        logger.name, logging.INFO, "file", 1, "Turn %s", ("ended",), None, extra=extra
    )


def test_a_line_for_people_has_its_fields_behind_the_sentence() -> None:
    line = TextFormatter().format(record(outcome="answered", seconds=2.1))
    assert line.endswith("INFO    Turn ended · outcome=answered seconds=2.1")


def test_a_line_for_machines_is_one_json_object() -> None:
    line = json.loads(JsonFormatter().format(record(outcome="answered")))
    assert (line["message"], line["outcome"], line["level"]) == ("Turn ended", "answered", "INFO")


def test_a_traceback_stays_inside_its_json_line() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        failed = record()
        failed.exc_info = (ValueError, error, error.__traceback__)
    formatted = JsonFormatter().format(failed)
    assert "\n" not in formatted
    assert "ValueError: no" in json.loads(formatted)["traceback"]


def test_at_debug_the_sdks_still_keep_requests_and_messages_to_themselves() -> None:
    set_up_logging("DEBUG", "json")
    assert logging.getLogger("core.desk").isEnabledFor(logging.DEBUG)
    for name in ("openai", "slack_sdk.web", "slack_bolt", "discord.http", "httpx2"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO), name
