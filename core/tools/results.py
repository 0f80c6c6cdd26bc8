"""What the model is told of a call: bounded, and fit to be stored."""

from core.text import storable

LONGEST_RESULT = 16_000  # characters; the model reads each of them again in every later round
LONGEST_MESSAGE = 1_000  # characters of an error
_CUT = "\n[Cut off here: a result may have 16,000 characters.]"


def shortened(text: str) -> str:
    """Cut a text to what the model is told of a result, and say so in it."""
    if len(text) <= LONGEST_RESULT:
        return storable(text)
    return storable(text[: LONGEST_RESULT - len(_CUT)]) + _CUT


def error_text(error: BaseException) -> str:
    """Tell the model what went wrong in a tool: it may mend it, or say so."""
    try:
        message = str(error)[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 (the error of a team may be unable to say what it is)
        message = ""
    name = type(error).__name__
    return storable(f"Error: {name}: {message}" if message else f"Error: {name}")
