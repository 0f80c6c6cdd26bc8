"""Blocks and modals as Slack takes them, of the kinds that are in use here."""

from collections.abc import Collection
from typing import Any

from servers.slack_workspace import Json, SlackError

MOST_BLOCKS = 50
LONGEST_SECTION = 3_000
LONGEST_LABEL, LONGEST_ACTION, LONGEST_VALUE = 75, 255, 2_000  #: of a button
LONGEST_TITLE, LONGEST_KEPT, LONGEST_INPUT = 24, 3_000, 3_000  #: of a modal
_MOST_ELEMENTS = {"actions": 25, "context_actions": 5}
_SECTION = {"type", "text", "expand", "block_id", "accessory", "fields"}


def checked_blocks(blocks: Any, refused: Collection[str] = ()) -> Any:
    """Blocks of a message, if Slack takes them; `refused` are the types that it does not know."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    elements = [one for block in blocks for one in block.get("elements", ())]
    ids = [one.get("action_id") for one in elements]
    taken = (
        len(blocks) <= MOST_BLOCKS
        and all("type" in block and block["type"] not in refused for block in blocks)
        and all(_is_section(block) for block in blocks if block["type"] == "section")
        and all(_is_row(block) for block in blocks)
        and len(set(ids)) == len(ids)
    )
    if not taken:
        raise SlackError("invalid_blocks")
    return blocks


def checked_view(view: Any) -> Json:
    """A modal, if Slack takes it."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        raise SlackError("invalid_arguments")
    fits = (
        all(_is_text(view.get(name), LONGEST_TITLE) for name in ("title", "submit", "close"))
        and len(view.get("private_metadata", "")) <= LONGEST_KEPT
        and len(view.get("callback_id", "")) <= LONGEST_ACTION
        and all(_is_input(block) for block in view["blocks"])
    )
    if not fits:
        raise SlackError("invalid_arguments")
    return view


def _is_row(block: Json) -> bool:
    """Whether its elements fit it; outside of a row there are none."""
    elements = block.get("elements", ())
    most = _MOST_ELEMENTS.get(block["type"])
    if most is None:
        return all(map(_is_button, elements))
    is_element = _is_feedback if block["type"] == "context_actions" else _is_button
    return 0 < len(elements) <= most and all(map(is_element, elements))


def _is_section(block: Json) -> bool:
    text = block.get("text") or {}
    flags = (block.get("expand", False), text.get("verbatim", False))
    return (
        not set(block) - _SECTION
        and not set(text) - {"type", "text", "verbatim", "emoji"}
        and 0 < len(str(text.get("text", ""))) <= LONGEST_SECTION
        and all(isinstance(flag, bool) for flag in flags)
    )


def _is_button(element: Json) -> bool:
    action = element.get("action_id")
    known = {"type", "action_id", "text", "value", "style", "confirm", "url"}
    return (
        element.get("type") == "button"
        and not set(element) - known
        and _is_text(element.get("text"), LONGEST_LABEL)
        and (action is None or 0 < len(action) <= LONGEST_ACTION)
        and len(element.get("value", "")) <= LONGEST_VALUE
        and element.get("style") in (None, "primary", "danger")
    )


def _is_feedback(element: Json) -> bool:
    buttons = [element.get(f"{kind}_button") or {} for kind in ("positive", "negative")]
    return (
        element.get("type") == "feedback_buttons"
        and set(element) == {"type", "action_id", "positive_button", "negative_button"}
        and 0 < len(element["action_id"]) <= LONGEST_ACTION
        and all(not set(one) - {"text", "value", "accessibility_label"} for one in buttons)
        and all(_is_text(one.get("text"), LONGEST_LABEL) for one in buttons)
        and all(0 < len(one.get("value", "")) <= LONGEST_VALUE for one in buttons)
    )


def _is_input(block: Json) -> bool:
    element = block.get("element") or {}
    known = {"type", "action_id", "multiline", "max_length", "min_length", "placeholder"}
    return (
        block.get("type") == "input"
        and _is_text(block.get("label"), 2_000)
        and element.get("type") == "plain_text_input"
        and not set(element) - known
        and 1 <= element.get("max_length", 1) <= LONGEST_INPUT
    )


def _is_text(text: Any, longest: int) -> bool:
    return (
        isinstance(text, dict)
        and text.get("type") == "plain_text"
        and 0 < len(text.get("text", "")) <= longest
    )
