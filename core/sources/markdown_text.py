"""The running text of a Markdown page: its links, images and tags of HTML or JSX.

What is running text and what is a block of code is decided in `markdown.py` and `mdx.py`.
"""

import re
from collections.abc import Callable
from html import unescape

from core.sources.links import Resolve

# Repetitions are bounded, or stop where the pattern may start anew: no text makes them slow.
_CODE_OR_ESCAPE = re.compile(r"(?<!`)(`+)(?!`).{1,2000}?(?<!`)\1(?!`)|\\[!-/:-@\[-`{-~]", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|\{/\*.*?(?:\*/\}|\Z)", re.DOTALL)
_ATTRIBUTE = (
    r"[^<>{}\"']++|\"[^\"]{0,2000}+\"|'[^']{0,2000}+'|\{(?:[^{}]|\{[^{}]{0,500}+\}){0,1000}+\}"
)
_TAG = re.compile(rf"</?([A-Za-z][\w.-]{{0,60}})?(?:\s(?:{_ATTRIBUTE}){{0,100}}+)?/?>")
_ALT = re.compile(r"\salt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_LABEL = r"\[((?:[^\[\]]|\[[^\[\]]{0,500}\]){0,1000})\]"
_TARGET = r"\(\s{0,9}(<[^<>\n]{0,2000}>|(?:[^\s()]|\([^\s()]{0,500}\)){0,2000})"
_TOOLTIP = r"(?:\s{1,9}(?:\"[^\"]{0,500}\"|'[^']{0,500}'))?\s{0,9}\)"
_IMAGE = re.compile(rf"!{_LABEL}(?:{_TARGET}{_TOOLTIP}|\[[^\[\]]{{0,500}}\])")
_LINK = re.compile(rf"{_LABEL}{_TARGET}{_TOOLTIP}")
_DEFINITION = re.compile(r"^( {0,3}\[[^\[\]\n]{1,500}\]: {0,9})(\S{1,2000})", re.MULTILINE)

_MARKUP = re.compile(r"[`*]|(?<![^\W_])_+|_+(?![^\W_])|\\(?=[!-/:-@\[-`{-~])")


def rewrite(text: str, resolve: Resolve, is_tag: Callable[[str], bool]) -> str:
    """Make links absolute, images their text, and take comments and tags away; code stays.

    `is_tag` says by its name whether something in angle brackets is a tag; else it stays too.
    """
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\x02{len(kept) - 1}\x03"

    def link(found: re.Match[str]) -> str:
        target = resolve(found[2].strip("<>"))
        return f"[{found[1]}]({target})" if target else found[1]

    def definition(found: re.Match[str]) -> str:
        target = resolve(found[2].strip("<>"))
        return f"{found[1]}{target}" if target else found[0]

    def tag(found: re.Match[str]) -> str:
        return _text_of_tag(found) if is_tag((found[1] or "").lower()) else found[0]

    text = _CODE_OR_ESCAPE.sub(keep, text.replace("\x02", "").replace("\x03", ""))
    text = _TAG.sub(tag, _COMMENT.sub("", text))
    text = _LINK.sub(link, _IMAGE.sub(r"\1", text))
    text = _DEFINITION.sub(definition, text)
    return re.sub("\x02(\\d+)\x03", lambda found: kept[int(found[1])], text)


def plain(text: str) -> str:
    """Give the words of a heading without its markup."""
    words = rewrite(text, lambda target: None, lambda name: True)
    return unescape(_MARKUP.sub("", words)).strip()


def _text_of_tag(tag: re.Match[str]) -> str:
    match (tag[1] or "").lower():
        case "br":
            return "\n"
        case "img":
            alt = _ALT.search(tag[0])
            return (alt[1] or alt[2] or "") if alt else ""
        case _:
            return ""
