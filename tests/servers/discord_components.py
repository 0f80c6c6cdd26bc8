"""Buttons and choices as the loopback Discord takes them."""

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
