"""The block of settings that many tools expect at the top of a Markdown file."""

import re

_BLOCK = re.compile(r"\A\s*?(---|\+\+\+)[ \t]*\n(.*?\n)??\1[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=][ \t]*(.+?)[ \t]*$", re.MULTILINE)


def split_front_matter(text: str) -> tuple[str, str]:
    """Take the front matter off (YAML or TOML): its title, "" where it has none, and the rest.

    Only a title on one line is read; everything else in the block is dropped.
    """
    block = _BLOCK.match(text)
    if block is None:
        return "", text
    title = _TITLE.search(block[2] or "")
    return _unquoted(title[1]) if title else "", text[block.end() :]


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace(f"\\{value[0]}", value[0])
    return value
