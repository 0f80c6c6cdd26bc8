"""From cleaned HTML to Markdown: what each element becomes.

Which elements are content is decided before, in `main_content.py`.
"""

import re
from collections import Counter
from collections.abc import Sequence

from bs4 import Tag
from markdownify import ATX, MarkdownConverter

from core.sources.links import Resolve

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

# Only these are converted; of all others the text is kept. The converter finds its methods by the
# names of elements, so an element of any name would reach methods that are none of its conversions.
_CONVERTED = [
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "blockquote", "br", "hr", "li", "ol", "ul"),
    *("dl", "dt", "dd", "table", "caption", "tr", "th", "td", "figcaption"),
    *("a", "b", "code", "del", "em", "i", "img", "kbd", "q", "s", "samp", "strong"),
    *("address", "article", "aside", "body", "details", "div", "figure", "header", "main"),
    *("label", "section", "summary"),
]

_LANGUAGE_CLASS = re.compile(r"(?:language|lang|highlight)-([\w+#.-]{1,30})")
_NO_LANGUAGE = frozenset({"default", "none", "text", "plaintext", "plain", "source"})

_BACKTICKS = re.compile(r"`+")
_UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")
_SPECIAL = re.compile(
    r"[*`]"
    r"|(?<![^\W_])_+|_+(?![^\W_])"  # inside of a word an underscore means nothing
    r"|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=[(\[:])"
    r"|\\(?=[!-/:-@\[-`{-~])"
)
_BLOCK_START = re.compile(r"^(?:(?=#{1,6}\s|[-+]\s|>|~~~|=+\s*$)|(\d{1,9})(?=[.)]\s))")


# What is in these is no section of the page, and a heading in them a line of bold text at best.
_NO_SECTIONS = frozenset({"_inline", "blockquote", "dd", "li", "td", "th"})
_ANCHOR = re.compile(r"[\w.:-]{1,200}")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


def to_markdown(element: Tag, resolve: Resolve) -> str:
    """Write the element as Markdown: ATX headings, fenced code, tables, images as their text.

    A heading whose anchor cannot be told from its words has it behind them: `## Words {#anchor}`.
    """
    return _Converter(resolve, is_one=len(element.find_all("h1", limit=2)) < 2).convert_soup(
        element
    )


class _Converter(MarkdownConverter):
    """A method for each element: the element, its content as Markdown, the names around it."""

    def __init__(self, resolve: Resolve, *, is_one: bool) -> None:
        # Wrapping without a width: each paragraph on one line, so that no line break of the HTML
        # source puts a "-" or "#" at the start of a line.
        super().__init__(
            heading_style=ATX, bullets="-", convert=_CONVERTED, wrap=True, wrap_width=None
        )
        self._resolve = resolve
        self._is_one = is_one  # whether the heading of the first level is that of the page
        self._first_headings: dict[int, object] = {}  # by id() of the element around them
        self._items: Counter[int] = Counter()  # how many items each numbered list has so far

    def escape(self, text: str, parent_tags: set[str]) -> str:
        return _SPECIAL.sub(lambda found: "".join(f"\\{char}" for char in found[0]), text)

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        label = text.strip()
        if not label or "_noformat" in parent_tags or parent_tags & _HEADINGS:
            return text
        if el.get("role") in {"doc-noteref", "doc-backlink", "tab"}:  # the number of a footnote
            return text
        if "permalink" in (el.get("class") or []):  # of mandoc, around what it leads to
            return text
        href = el.get("href")
        target = self._resolve(str(href)) if href else None
        if target is None:
            return text
        before, _, after = text.partition(label)
        return f"{before}[{label}]({target}){after}"

    def convert_hN(self, n: int, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: N802
        heading: str = super().convert_hN(n, el, text, parent_tags)  # type: ignore[misc]
        if parent_tags & _NO_SECTIONS or (n == 1 and self._is_one) or not text.strip():
            return heading
        anchor = str(el.get("id") or self._section_id(el))
        slug = _NOT_IN_SLUG.sub("", " ".join(el.get_text().split()).lower()).replace(" ", "-")
        if anchor == slug or not _ANCHOR.fullmatch(anchor):
            return heading
        return f"{heading.rstrip()} {{#{anchor}}}\n\n"

    def _section_id(self, heading: Tag) -> str:
        """Give the id of the section that a heading begins, "" where it begins none."""
        section = heading.parent
        if section is None or not (section.name == "section" or _is_section(section)):
            return ""
        # Looked for once: to look anew for each of many headings would be quadratic.
        if id(section) not in self._first_headings:
            self._first_headings[id(section)] = section.find(_HEADINGS)
        return str(section.get("id") or "") if self._first_headings[id(section)] is heading else ""

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return self.escape(" ".join(str(el.get("alt") or "").split()), parent_tags)

    def convert_br(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return " " if "_inline" in parent_tags else "\n"

    def convert_p(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return self.convert_div(el, _BLOCK_START.sub(r"\1\\", text.strip()), parent_tags)

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "pre" in parent_tags:  # a line of code of Expressive Code
            return text if text.endswith("\n") else f"{text}\n"
        text = text.strip()
        if "_inline" in parent_tags:
            return f" {text} "
        return f"\n\n{text}\n\n" if text else ""

    def convert_label(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f" {text.strip()} "  # of a tab: without the spaces they would be one word

    convert_address = convert_article = convert_aside = convert_body = convert_details = convert_div
    convert_dl = convert_figure = convert_header = convert_main = convert_section = convert_div
    convert_summary = convert_figcaption = convert_div

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        code = text.strip("\n").rstrip()
        if not code or "_inline" in parent_tags:
            return text
        longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"\n\n{fence}{_language(el)}\n{code}\n{fence}\n\n"

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        mark = "-"
        if el.parent is not None and el.parent.name == "ol":
            # Counted here, because to look back at each item would be quadratic in a long list.
            self._items[id(el.parent)] += 1
            mark = f"{_start(el.parent) + self._items[id(el.parent)] - 1}."
        return _item(mark, text)

    def convert_dt(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "_inline" in parent_tags:
            return f" {text.strip()} "
        if "sig" in (el.get("class") or []):  # Sphinx writes the signature of a function like this
            signature = " ".join(el.get_text().split()).replace("`", "'")
            text = f"`{signature}`"
        return f"\n\n{_item('-', text)}\n"

    def convert_dd(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "_inline" in parent_tags:
            return f" {text.strip()} "
        return f"\n\n{_indent(text.strip(), 2)}\n\n"

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        cell = _UNESCAPED_PIPE.sub(r"\|", " ".join(text.split()))
        span = str(el.get("colspan") or "")
        return f" {cell} " + "|" * (min(int(span), 20) if span.isdecimal() and span != "0" else 1)

    convert_th = convert_td

    def convert_tr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"|{text}\n" if text else ""

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        lines = [line for line in text.split("\n") if line.strip()]
        rows = [line for line in lines if line.startswith("|")]
        if not rows:
            return self.convert_div(el, text, parent_tags)
        caption = " ".join(line for line in lines if not line.startswith("|"))
        # The first row becomes the head: a Markdown table has one, and shows no cell beyond it.
        widths = [len(_UNESCAPED_PIPE.findall(row)) - 1 for row in rows]
        head = rows[0] + "  |" * (max(widths) - widths[0])
        table = "\n".join((head, "|" + " --- |" * max(widths), *rows[1:]))
        return f"\n\n{caption}\n\n{table}\n\n"


def _is_section(tag: Tag) -> bool:
    """Whether it is what generators wrote before HTML had sections: `div.section`, `div.sect1`."""
    return tag.name == "div" and any(name.startswith("sect") for name in tag.get("class") or [])


def _language(pre: Tag) -> str:
    """Find the language of a code block: on it, on the `code` within, or up to three levels above.

    Sphinx writes `div.highlight-python`, MkDocs `div.language-python`, most others `code`.
    """
    inner = pre.find("code")
    places = [pre, *([inner] if isinstance(inner, Tag) else []), *list(pre.parents)[:3]]
    for place in places:
        classes: Sequence[str] = place.get("class") or []
        if named := place.get("data-language"):
            classes = [f"language-{named}"]
        if classes[:1] == ["code"] and "literal-block" in classes[2:]:  # docutils
            classes = [f"language-{classes[1]}"]
        found = _LANGUAGE_CLASS.search(" ".join(classes))
        if found:
            name = found[1].lower()
            return "" if name in _NO_LANGUAGE else name
    return ""


def _start(numbered: Tag) -> int:
    start = str(numbered.get("start") or "")
    return int(start) if start.isdecimal() and len(start) < 9 else 1


def _item(mark: str, text: str) -> str:
    return f"{mark} {_indent(text.strip(), len(mark) + 1).lstrip()}\n"


def _indent(text: str, width: int) -> str:
    return "\n".join(f"{' ' * width}{line}" if line else "" for line in text.split("\n"))
