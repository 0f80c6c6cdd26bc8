"""HTML pages: parsed, cut to their main content, written as Markdown."""

import re
from html import escape
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.links import Resolve
from core.sources.main_content import main_content
from core.sources.to_markdown import to_markdown

MAX_TAGS = 200_000  #: opening and closing; some seconds of work

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}>")
_SITE_NAME = re.compile(r"\s+[|—–·]\s+[^|—–·]+$")


def html_to_content(html: str, resolve: Resolve) -> Content:
    """Extract the main content of an HTML page; links are resolved against its `<base>`, if any.

    Raises PageUnreadable for a page of more than `MAX_TAGS`.
    """
    if html.count("<") > MAX_TAGS:
        raise PageUnreadable(f"more than {MAX_TAGS:,} tags")
    page = _parse(html)
    base = page.find("base", href=True)
    if isinstance(base, Tag):
        resolve = _from_base(str(base["href"]), resolve)
    head_title = page.title.get_text() if page.title else ""
    content = main_content(page)
    title = _title(content, head_title.strip())
    return Content(
        title=title or _text(content.find(["h2", "h3"])), markdown=to_markdown(content, resolve)
    )


def _title(content: Tag, head_title: str) -> str:
    headings = content.find_all("h1", limit=2)
    first = " ".join(_text(headings[0]).split()) if headings else ""
    named = _SITE_NAME.sub("", head_title)
    # Man pages have a heading of the first level for each section, and their name in the head.
    if len(headings) > 1 and not head_title.startswith(first):
        return named or first
    return first or named


def _parse(html: str) -> BeautifulSoup:
    # Text without any tag would be taken for a file name and warned about.
    markup = _XML_DECLARATION.sub("", html) if "<" in html else f"<p>{escape(html)}</p>"
    return BeautifulSoup(markup, "lxml")


def _from_base(base: str, resolve: Resolve) -> Resolve:
    def resolve_from_base(target: str) -> str | None:
        try:
            return resolve(urljoin(base, target))
        except ValueError:
            return None

    return resolve_from_base


def _text(heading: object) -> str:
    return heading.get_text() if isinstance(heading, Tag) else ""
