"""Plain text pages: kept as they are."""

from core.sources.content import Content
from core.sources.links import Resolve


def text_to_content(text: str, resolve: Resolve) -> Content:
    """Extract a plain text page; its title is its first line. Addresses in it stay as written."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return Content(title=first.strip().strip("=-*# "), markdown=text)
