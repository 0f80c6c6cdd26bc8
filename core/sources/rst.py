"""reStructuredText pages: read by docutils, which writes HTML, which becomes Markdown.

docutils knows its own directives and roles only. Sphinx has many more, and pages are full of them:
what is unknown keeps its content here (`rst_unknown.py`).
"""

import threading

from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from docutils.parsers.rst import Parser
from docutils.transforms import Transform

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.html import html_to_content
from core.sources.links import Resolve
from core.sources.rst_unknown import STATES, tolerant_inliner

MAX_CHARACTERS = 500_000  #: docutils reads some 50,000 in a second
MAX_SUBSTITUTED = 1_000_000  #: characters that all |substitutions| of a page come to

# docutils changes the warning filters and registers of the process while it works.
_DOCUTILS = threading.Lock()

_SETTINGS = {
    "_disable_config": True,  # no docutils.conf of the machine
    "file_insertion_enabled": False,  # a page brings in no other file
    "raw_enabled": False,  # and no HTML past the writer
    "halt_level": 5,  # mistakes in a page neither stop it
    "report_level": 5,  # nor are written into it
    "doctitle_xform": False,  # a title is a heading like the others
    "docinfo_xform": False,
    "initial_header_level": 1,
    "line_length_limit": 50_000,
    "math_output": "LaTeX",
    "output_encoding": "unicode",
    "smart_quotes": False,
    "stylesheet_path": None,
    "syntax_highlight": "none",
    "toc_backlinks": False,
}


def rst_to_content(text: str, resolve: Resolve) -> Content:
    """Extract a reStructuredText page; its title is its first heading.

    Raises PageUnreadable for more than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise PageUnreadable(f"more than {MAX_CHARACTERS:,} characters of reStructuredText")
    with _DOCUTILS:
        page = publish_doctree(text, parser=_TolerantParser(), settings_overrides=_SETTINGS)
        if page.children and isinstance(page[0], nodes.field_list):
            del page[0]  # settings for Sphinx, such as :orphan:
        title = next((heading.astext() for heading in page.findall(nodes.title)), "")
        html = publish_from_doctree(page, writer="html5", settings_overrides=_SETTINGS)
    return Content(title=title, markdown=html_to_content(str(html), resolve).markdown)


class _TolerantParser(Parser):
    def __init__(self) -> None:
        super().__init__(inliner=tolerant_inliner())
        self.state_classes = STATES

    def get_transforms(self) -> list[type[Transform]]:
        return [*super().get_transforms(), _BoundedSubstitutions]


class _BoundedSubstitutions(Transform):
    """Refuses a page whose substitutions hold each other so often that it would never end."""

    default_priority = 200  # before docutils' own transform of them, which has no such bound

    def apply(self) -> None:
        sizes: dict[str, int] = {}
        definitions = {name.lower(): node for name, node in self.document.substitution_defs.items()}

        def size(reference: nodes.Element) -> int:
            name = str(reference["refname"]).lower()
            if name in definitions and name not in sizes:
                sizes[name] = 0  # what it is while it is being measured: a circle ends here
                sizes[name] = len(definitions[name].astext()) + total(definitions[name])
            return sizes.get(name, 0)

        def total(node: nodes.Element) -> int:
            return sum(size(reference) for reference in node.findall(nodes.substitution_reference))

        if total(self.document) > MAX_SUBSTITUTED:
            raise PageUnreadable("its substitutions come to too much text")
