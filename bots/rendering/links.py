"""Which links of a reply are shown as links, and how: nobody is sent anywhere unawares.

A link keeps its label only where its target is one of the pages that the reply names; any other
shows its address in full. Only web and mail addresses become links at all.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from markdown_it.common.normalize_url import normalizeLink

from bots.rendering.blocks import Span

LONGEST_ADDRESS = 500  # characters; a longer one is text, which can be cut where a link cannot
LONGEST_LABEL = 100  # characters of a label that stands in for its address

# Up to Chinese, Japanese or Korean script, which often follows an address without a space.
_ADDRESS = re.compile(r"https?://[^\W_][^\s<>\"`\u2e80-\uffef]{0,2000}", re.IGNORECASE)

# Direction controls and characters without width or form: they make a label or an address look like
# another. The joiners U+200C and U+200D stay: Persian and emoji are written with them.
_DISGUISES = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]")

_HOST = re.compile(r"(?:\w[\w-]*\.)+[a-z][\w-]+(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)

# Names of files look like names of hosts, and are far more common as labels.
_FILE = re.compile(
    r"\S+\.(?:cfg|conf|css|csv|env|html?|ini|java|jsx?|json|lock|log|md|pdf|php|py|rb|rs|rst|sh|sql"
    r"|toml|tsx?|txt|xml|ya?ml)",
    re.IGNORECASE,
)


def bare_addresses(span: Span) -> Iterator[Span]:
    """Cut text where an address stands in it; the address becomes a link."""
    end = 0
    for match in _ADDRESS.finditer(span.text):
        found = _without_punctuation(match[0])
        yield replace(span, text=span.text[end : match.start()])
        yield replace(span, text="", url=found)
        end = match.start() + len(found)
    yield replace(span, text=span.text[end:])


def same_page(url: str) -> str:
    """Bring an address into a form in which addresses of the same page are equal."""
    try:
        scheme, host, path, query, _ = urlsplit(address(url))
    except ValueError:  # not an address
        return url
    return f"{scheme.lower()}://{host.lower()}{path.rstrip('/')}?{query}"


def show(span: Span, allowed: frozenset[str]) -> tuple[Span, ...]:
    """Say how a link is to be shown: spans whose `url`, where they have one, is safe to link to.

    A span that comes back with a url and no text is an address to show in full. `allowed` holds the
    pages, in the form of `same_page`, whose links keep their label.
    """
    if span.url is None:
        return (span,)
    url = address(span.url)
    label = " ".join(_DISGUISES.sub("", span.text).split())
    bare = Span(text="", marks=span.marks, url=url)
    if not linkable(url) or len(url) > LONGEST_ADDRESS:
        bare = Span(text=_DISGUISES.sub("", span.url), marks=span.marks)
    elif same_page(url) in allowed and len(label) <= LONGEST_LABEL:
        return (bare if _reads_as_address(label) else replace(bare, text=label),)
    if not label or _spelt(label) == _spelt(url):
        return (bare,)
    return (Span(text=f"{label} (", marks=span.marks), bare, Span(text=")", marks=span.marks))


def linkable(url: str) -> bool:
    """Whether an address is one of the web or of a mailbox."""
    return url.lower().startswith(("http://", "https://", "mailto:"))


def address(url: str) -> str:
    """Write an address in ASCII: a host in a foreign script shows as the `xn--` name that it is."""
    return normalizeLink(_DISGUISES.sub("", url))


def _without_punctuation(url: str) -> str:
    """Give back what follows an address in a sentence: a full stop, the end of a bracket."""
    while url[-1] in ".,;:!?'*_~|)]}":
        if url[-1] == ")" and url.count("(") >= url.count(")"):
            break
        url = url[:-1]
    return url


def _reads_as_address(label: str) -> bool:
    """Whether a label is empty or would be taken for an address, perhaps of somewhere else."""
    visible = (c for c in label if unicodedata.category(c) != "Cf")
    plain = unicodedata.normalize("NFKC", "".join(visible))
    if not plain or "://" in plain or "www." in plain.lower():
        return True
    return bool(_HOST.fullmatch(plain)) and not _FILE.fullmatch(plain)


def _spelt(url: str) -> str:
    return re.sub(r"^(?:https?://|mailto:)", "", url.lower()).rstrip("/")
