"""Slack's text as it travels: reading it as people wrote it, and escaping text into it.

Replies are rendered in `render`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

#: `<@U1>`, `<#C1|name>`, `<!here>`, `<https://…|label>`. People's own < and > come as entities;
#: the text of a slash command may hold them bare, so `<int>` stays as it is.
_TOKEN: Final = re.compile(r"<(?:([@#!])|(?=[A-Za-z][A-Za-z0-9+.-]*:))([^<>|\s]+)(?:\|([^<>]*))?>")

_GROUPS: Final = ("here", "channel", "everyone", "subteam")


def escape(text: str) -> str:
    """Write text so that Slack shows it and reads no mention, channel or link out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Read Slack's text as a person wrote it: people as @U123, channels as #name, links in full."""
    # The tokens go first: what is unescaped afterwards can no longer become one.
    spelt = _TOKEN.sub(_spell, text)
    return spelt.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def without_mention(text: str, user: str) -> str:
    """Take every mention of one person out of Slack's text, with a colon or comma after it."""
    mention = rf"[ \t]*<@{re.escape(user)}(?:\|[^<>]*)?>[:,]?[ \t]*"
    return re.sub(mention, " ", text).strip()


def mentions(text: str, user: str) -> bool:
    """Say whether Slack's text mentions a person."""
    return f"<@{user}>" in text or f"<@{user}|" in text


def addresses_others(text: str, *known: str) -> bool:
    """Say whether Slack's text mentions people: others than those known, a group, or everybody."""
    for token in _TOKEN.finditer(text):
        kind, target = token[1], token[2].split("^")[0]
        if (kind == "@" and target not in known) or (kind == "!" and target in _GROUPS):
            return True
    return False


def _spell(token: re.Match[str]) -> str:
    kind, target, label = token[1], token[2], token[3]
    match kind:
        case "@":
            return f"@{target}"
        case "#":
            return f"#{label or target}"
        case "!":
            return label or f"@{target.split('^')[-1]}"
    if not label or label == target:
        return target
    if target.endswith(label):  # a link that Slack made of what the person typed
        return label if target.startswith("mailto:") else target
    return f"{label} ({target})"


# --- blocks ---------------------------------------------------------------------------------------

_Spelling = Callable[[Mapping[str, Any]], str]

_LEAVES: Final[Mapping[str, _Spelling]] = {
    "text": lambda leaf: escape(str(leaf.get("text", ""))),
    "plain_text": lambda leaf: escape(str(leaf.get("text", ""))),
    "mrkdwn": lambda leaf: str(leaf.get("text", "")),
    "link": lambda leaf: f"<{leaf.get('url', '')}|{escape(str(leaf.get('text', '')))}>",
    "user": lambda leaf: f"<@{leaf.get('user_id', '')}>",
    "channel": lambda leaf: f"<#{leaf.get('channel_id', '')}>",
    "usergroup": lambda leaf: f"<!subteam^{leaf.get('usergroup_id', '')}>",
    "broadcast": lambda leaf: f"<!{leaf.get('range', '')}>",
    "emoji": lambda leaf: f":{leaf.get('name', '')}:",
}


def text_of_blocks(node: object) -> str:
    """Collect the text of blocks, in the form that a message's `text` has."""
    if isinstance(node, list):
        return "".join(text_of_blocks(part) for part in node)
    if not isinstance(node, Mapping):
        return ""
    leaf = _LEAVES.get(str(node.get("type")))
    if leaf is not None:
        return leaf(node)
    return text_of_blocks(node.get("elements")) + text_of_blocks(node.get("text")) + "\n"
