"""Errors that nobody foresaw, as log lines."""

import logging
import traceback


def log_mishap(log: logging.Logger, sentence: str, error: BaseException, **fields: object) -> None:
    """Log an error that nobody foresaw: its kind and where, but not its words.

    Those may quote what somebody wrote; they follow at DEBUG.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[::-1])
    log.error("%s: %s", sentence, type(error).__name__, extra={**fields, "where": where})
    log.debug("%s, in full", sentence, exc_info=error)
