"""Where the links of a page lead, written so that they work outside of the page."""

import re
from collections.abc import Callable
from urllib.parse import quote, urljoin, urlsplit

#: Takes a link's target as the page has it; gives the absolute address, or None where a reader of
#: an answer could not follow it: the link is then reduced to its text.
Resolve = Callable[[str], str | None]

_FOLLOWED = frozenset({"http", "https", "mailto"})
_BREAKS_MARKDOWN = re.compile(r"[\s()<>\"\\`|]")


def absolute(page_url: str, target: str) -> str | None:
    """Resolve a link's target against the address of its page; None for `javascript:` and the like.

    Characters that would end a link in Markdown are percent-encoded.
    """
    try:
        address = urljoin(page_url, target.strip())
        scheme = urlsplit(address).scheme
    except ValueError:  # such as an unclosed bracket in the host
        return None
    if scheme not in _FOLLOWED:
        return None
    return _BREAKS_MARKDOWN.sub(lambda found: quote(found[0]), address)
