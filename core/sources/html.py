"""HTML pages: parsed, cut to their main content, written as Markdown."""

import re
from html import escape
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag

from core.errors import PageGone, PageUnreadable
from core.sources.content import Content
from core.sources.links import Resolve
from core.sources.main_content import main_content
from core.sources.to_markdown import to_markdown

MAX_TAGS = 200_000  #: opening and closing; some seconds of work

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}>")
_LEADS_ON = re.compile(r"\s*[01](\.\d*)?\s*[;,]\s*url\s*=", re.IGNORECASE)
_REFRESH = re.compile("refresh", re.IGNORECASE)
_SHORT = 1_000  # characters: a page with more is one, wherever it leads
_SITE_NAME = re.compile(r"\s+[|—–·]\s+[^|—–·]+$")


def html_to_content(html: str, resolve: Resolve) -> Content:
    """Extract the main content of an HTML page; links are resolved against its `<base>`, if any.

    Raises PageUnreadable for a page of more than `MAX_TAGS`, and PageGone for one that only leads
    to another, as generators leave them where a page was.
    """
    if html.count("<") > MAX_TAGS:
        raise PageUnreadable(f"more than {MAX_TAGS:,} tags")
    page = _parse(html)
    if _only_leads_on(page):
        raise PageGone("it only leads to another page")
    base = page.find("base", href=True)
    if isinstance(base, Tag):
        resolve = _from_base(str(base["href"]), resolve)
    head_title = page.title.get_text() if page.title else ""
    canonical = _canonical(page)
    content = main_content(page)
    return Content(
        title=_title(content, " ".join(head_title.split())),
        markdown=to_markdown(content, resolve),
        canonical=canonical,
    )


def _only_leads_on(page: BeautifulSoup) -> bool:
    for meta in page.find_all("meta", attrs={"http-equiv": _REFRESH}):
        if _LEADS_ON.match(str(meta.get("content") or "")) and not meta.find_parent("noscript"):
            return len(page.get_text()) < _SHORT
    return False


def _canonical(page: BeautifulSoup) -> str | None:
    """Find what the page says its address is. In its head only: the body may be anybody's."""
    links = page.head.find_all("link", rel="canonical", href=True) if page.head else ()
    named = {str(link["href"]).strip() for link in links}
    return named.pop() if len(named) == 1 else None


def _title(content: Tag, head_title: str) -> str:
    headings = content.find_all("h1", limit=2)
    first = " ".join(_text(headings[0]).split()) if headings else ""
    named = _SITE_NAME.sub("", head_title)
    # Man pages have a heading of the first level for each section, and their name in the head.
    if len(headings) > 1 and not head_title.startswith(first):
        return named or first
    second = " ".join(_text(content.find(["h2", "h3"])).split())
    if not first and second and head_title.startswith(f"{second} - "):
        return second  # a dash may be a part of the title, or stand before the site's name
    return first or named or second


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
