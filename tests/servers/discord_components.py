"""Buttons, choices, modals and commands as the loopback Discord takes them."""

import re
from typing import Final

from servers.discord_world import Json, Refusal


def change(message: Json, body: Json) -> None:
    """Change of a message what an edit names."""
    message["content"] = body.get("content", message["content"])
    message["components"] = body.get("components", message["components"])


def checked_choices(choices: list[Json]) -> list[Json]:
    """What is offered to complete with, if Discord takes it."""
    fits = all(0 < len(one["name"]) <= 100 and 0 < len(one["value"]) <= 100 for one in choices)
    if len(choices) > 25 or not fits:
        raise Refusal(400, 50035, "Invalid Form Body")
    return choices


def are_buttons(rows: list[Json]) -> bool:
    """Whether they are rows of buttons that Discord takes."""
    buttons = [button for row in rows for button in row.get("components", ())]
    ids = [button.get("custom_id") for button in buttons]
    return (
        len(rows) <= 5
        and all(row["type"] == 1 and 1 <= len(row["components"]) <= 5 for row in rows)
        and all(button["type"] == 2 and 1 <= len(button["label"]) <= 80 for button in buttons)
        and all(isinstance(one, str) and 1 <= len(one) <= 100 for one in ids)
        and len(set(ids)) == len(ids)
    )


def checked_modal(modal: Json) -> Json:
    """A modal of text inputs, if Discord takes it."""
    rows = modal.get("components") or []
    fits = (
        set(modal) == {"custom_id", "title", "components"}
        and 1 <= len(modal["title"]) <= 45
        and 1 <= len(modal["custom_id"]) <= 100
        and 1 <= len(rows) <= 5
        and all(row["type"] == 1 and len(row["components"]) == 1 for row in rows)
        and all(_is_input(row["components"][0]) for row in rows)
    )
    if not fits:
        raise Refusal(400, 50035, "Invalid Form Body")
    return modal


def is_command(command: Json) -> bool:
    """Whether Discord takes a command: one that is typed, or one of a message's menu."""
    name, description = command["name"], command.get("description", "")
    if command.get("type", 1) == _TYPED:
        return bool(_COMMAND_NAME.match(name)) and 1 <= len(description) <= 100
    return 1 <= len(name) <= 32 and not description and not command.get("options")


_TYPED: Final = 1
_COMMAND_NAME: Final = re.compile(r"^[-_'\w]{1,32}$")
_INPUT: Final = 4


def _is_input(component: Json) -> bool:
    return (
        component["type"] == _INPUT
        and 1 <= len(component["custom_id"]) <= 100
        and 1 <= len(component["label"]) <= 45
        and component["style"] in (1, 2)
        and 1 <= component.get("max_length", 4_000) <= 4_000
    )
