"""Which part of an HTML page is its content: without navigation, banners and buttons.

How the content is written as Markdown is decided in `to_markdown.py`.
"""

import re
from collections.abc import Iterator, Sequence

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString

MAX_DEPTH = 100  #: levels of elements; of what lies deeper only the text counts

# The containers of the common documentation generators, the most telling first.
_CONTAINERS = (
    ".theme-doc-markdown",  # Docusaurus
    ".md-content__inner",  # Material for MkDocs
    "[itemprop=articleBody]",  # Sphinx with the Read the Docs theme
    ".bd-article",  # Sphinx with the PyData theme
    ".vp-doc",  # VitePress
    ".sl-markdown-content",  # Starlight
    ".markdown-section",  # Docsify, GitBook before 2018
    ".markdown-body",  # GitHub's style, used by many
    ".manual-text",  # mandoc's man pages
    "[role=main]",  # Sphinx, MkDocs
    "main",  # GitBook, mdBook, Hugo and HTML as it is meant
    "article",
    ".body",  # Sphinx before 2018
)
_RANK = {marker: rank for rank, marker in enumerate(_CONTAINERS)}

_NOISE_TAGS = frozenset(
    (
        *("script", "style", "noscript", "template", "nav", "footer", "button", "input", "select"),
        *("textarea", "iframe", "svg", "canvas", "video", "audio", "object", "embed", "dialog"),
        "annotation",  # the source of a formula, beside the formula
        *("head", "title"),  # where a page has no body
    )
)
_NOISE_ROLES = frozenset(
    {"navigation", "search", "banner", "contentinfo", "doc-toc", "dialog", "alertdialog"}
)
_NOISE_CLASSES = frozenset(
    (
        # permalinks of headings
        *("headerlink", "hash-link", "header-anchor", "heading-anchor", "anchorjs-link"),
        # "edit this page", "view source"
        *("edit-this-page", "theme-edit-this-page", "edit-page-link", "edit-link", "editlink"),
        *("md-source-file", "md-content__button", "viewcode-link", "theme-last-updated", "srclink"),
        # where in the documentation one is, and where to go next
        *("breadcrumb", "breadcrumbs", "theme-doc-breadcrumbs", "wy-breadcrumbs", "skip-link"),
        *("toc", "table-of-contents", "theme-doc-toc-mobile", "theme-doc-version-badge"),
        *("theme-doc-version-banner", "theme-doc-footer", "pagination-nav", "prev-next-area"),
        *("related", "sphinxsidebar", "rst-footer-buttons", "nav-panel", "navheader", "navfooter"),
        # parts of code blocks
        *("linenos", "lineno", "linenodiv", "copybtn"),
        "boring",  # lines of an example that mdBook hides
        "nosearch",  # what the search of the SQLite documentation passes over, too
        # for screen readers, on sites that show the same otherwise
        *("sr-only", "visually-hidden", "screen-reader-text"),
    )
)
_COOKIES = re.compile(
    r"cookie[-_]?(banner|consent|notice|bar|law)|onetrust|cc-banner", re.IGNORECASE
)
_PERMALINK_TEXTS = frozenset({"#", "¶", "§", "🔗", "\u200b"})
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TABLE_PARTS = frozenset({"thead", "tbody", "tfoot", "tr", "td", "th", "caption"})


def main_content(page: BeautifulSoup) -> Tag:
    """Cut the page's main content free of everything else, and give it. Changes `page`."""
    _flatten(page)
    for container in _containers(page):
        _clean(container, whole_page=False)
        if container.get_text(strip=True):
            return container
    body = page.body or page
    _clean(body, whole_page=True)
    return body


def _flatten(page: BeautifulSoup) -> None:
    """Replace what is nested too deeply by its text: the steps that follow are recursive."""
    depths = {id(page): 0}
    for tag in list(page.find_all(True)):
        depth = depths.get(id(tag.parent))
        if depth is None:
            continue  # inside of what was replaced
        depths[id(tag)] = depth + 1
        if depth + 1 == MAX_DEPTH:
            tag.string = tag.get_text(" ")


def _containers(page: BeautifulSoup) -> Iterator[Tag]:
    """Find the elements that may hold the content, the likeliest first."""
    first: dict[str, Tag] = {}
    articles = 0
    for tag in page.find_all(True):
        articles += tag.name == "article"
        for marker in _markers(tag):
            if marker in _RANK:
                first.setdefault(marker, tag)
    if articles > 1:
        first.pop("article", None)  # a list of articles, of which none is the page
    for marker in sorted(first, key=_RANK.__getitem__):
        yield first[marker]


def _markers(tag: Tag) -> Iterator[str]:
    yield tag.name
    yield f"[role={tag.get('role')}]"
    yield f"[itemprop={tag.get('itemprop')}]"
    for name in tag.get("class") or []:
        yield f".{name}"


def _clean(content: Tag, *, whole_page: bool) -> None:
    titled = _holders(content, [*_HEADINGS, "main", "article"])
    for node in list(content.descendants):
        if node.decomposed:
            continue
        if isinstance(node, PreformattedString):  # comments and the like
            node.extract()
        elif isinstance(node, Tag):
            if _is_noise(node, titled=id(node) in titled, whole_page=whole_page):
                node.decompose()
            else:
                _name_by_class(node)
    for heading in content.find_all(_HEADINGS):
        if not heading.get_text(strip=True) and heading.find("img") is None:
            heading.decompose()
    _unfold_tables(content)


def _holders(content: Tag, names: Sequence[str]) -> set[int]:
    """Find, by id(), the elements around those of the given names: each is looked at once."""
    holders: set[int] = set()
    for tag in content.find_all(names):
        for parent in tag.parents:
            if id(parent) in holders:
                break
            holders.add(id(parent))
    return holders


def _is_noise(tag: Tag, *, titled: bool, whole_page: bool) -> bool:
    role = tag.get("role")
    if tag.name in _NOISE_TAGS or role in _NOISE_ROLES:
        return True
    if whole_page and _is_frame(tag):
        return True
    if tag.name in {"header", "form"} and not titled:  # some frameworks wrap all in a form
        return True
    names = [*(tag.get("class") or []), str(tag.get("id") or "")]
    if tag.name == "div" and "header" in names and not titled:  # Texinfo: next, previous, up
        return True
    if tag.name == "table" and ("nav" in names or _is_navigation(tag)):  # DocBook, GTK-Doc
        return True
    if not _NOISE_CLASSES.isdisjoint(names) or any(_COOKIES.search(name) for name in names):
        return True
    return _is_permalink(tag) or _is_language_label(tag) or _is_beside_title(tag)


def _is_navigation(table: Tag) -> bool:
    return str(table.get("summary") or "").startswith("Navigation")


def _is_frame(tag: Tag) -> bool:
    """Inside of a container these belong to the content: admonitions, the title."""
    if tag.name in {"header", "aside"} or tag.get("role") == "complementary":
        return True
    return tag.get("id") == "footer"  # AsciiDoc


def _is_language_label(tag: Tag) -> bool:
    """VitePress writes the language of a block of code before it, where one hovers."""
    classes: Sequence[str] = tag.parent.get("class") or [] if tag.parent is not None else []
    return tag.get("class") == ["lang"] and any(name.startswith("language-") for name in classes)


def _is_beside_title(tag: Tag) -> bool:
    """Where pydoc links to its index, and to a file on the machine that it ran on."""
    classes: Sequence[str] = tag.parent.get("class") or [] if tag.parent is not None else []
    return tag.name == "td" and tag.get("class") == ["extra"] and "heading-text" in classes


def _name_by_class(tag: Tag) -> None:
    """Give what docutils marks by a class only the element that says the same."""
    classes: Sequence[str] = tag.get("class") or []
    if "admonition-title" in classes:
        tag.name = "strong"
    elif tag.name == "span" and "literal" in classes:
        tag.name = "code"
    elif tag.name == "pre" and tag.find("pre") is not None:  # mdBook, around what can be run
        tag.name = "div"
    elif tag.name == "code" and _follows_code(tag):
        tag.insert_before("\n\n")


def _follows_code(code: Tag) -> bool:
    """Node.js writes an example twice in one block, for two kinds of modules."""
    before, block = code.previous_sibling, code.parent
    return (
        isinstance(before, Tag)
        and before.name == "code"
        and block is not None
        and block.name == "pre"
    )


def _is_permalink(tag: Tag) -> bool:
    if tag.get("aria-hidden") == "true" and tag.name in {"a", "span", "i"}:
        return True
    if tag.name != "a" or len(tag.contents) != 1:
        return False
    text = tag.contents[0]
    return isinstance(text, NavigableString) and text.strip() in _PERMALINK_TEXTS


def _unfold_tables(content: Tag) -> None:
    """Turn tables that only arrange (code beside line numbers, columns of a page) into blocks."""
    arranging = _holders(content, [*_HEADINGS, "table", "pre"])
    unfolded: dict[int, bool] = {}  # by id() of an element: whether the table around it is
    for tag in content.find_all(True):
        around = unfolded.get(id(tag.parent), False)
        is_table = tag.name == "table"
        unfolded[id(tag)] = _arranges(tag, arranging) if is_table else around
        if (is_table and unfolded[id(tag)]) or (around and tag.name in _TABLE_PARTS):
            tag.name = "div"


def _arranges(table: Tag, arranging: set[int]) -> bool:
    parent = table.parent
    return id(table) in arranging or (
        parent is not None and "admonitionblock" in (parent.get("class") or [])  # AsciiDoc
    )
