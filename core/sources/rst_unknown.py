"""What becomes of the directives and roles of Sphinx, and of any that docutils does not know.

Each keeps its content. Nothing is registered with docutils, whose registers belong to the process.
"""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, roles, states

_TITLE_AND_TARGET = re.compile(r"(?s)(.+?)\s*<([^<>]+)>")
_PROSE_ROLES = frozenset(
    (
        *("abbr", "any", "cite", "confval", "dfn", "doc", "download", "eq", "file", "guilabel"),
        *("index", "kbd", "keyword", "manpage", "menuselection", "numref", "program", "ref"),
        *("term", "token"),
    )
)
_VERSION_NOTES = {
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
}
_BOXES = {"seealso": "See also", "todo": "To do"}


class _AnyOption(dict[str, Callable[[str], Any]]):
    """Allows every option of a directive, whatever its value."""

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Callable[[str], Any]:
        return lambda value: value


class _Kept(Directive):
    """An unknown directive: its argument is a paragraph, its content is content."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _AnyOption()

    def run(self) -> list[nodes.Node]:
        name, argument = self.name.lower(), "".join(self.arguments)
        kept = nodes.container()
        if name in _BOXES:
            kept += nodes.paragraph("", "", nodes.strong(text=_BOXES[name]))
        if name in _VERSION_NOTES and argument:
            version, *what = argument.split(maxsplit=1)
            argument = ": ".join((f"{_VERSION_NOTES[name]} {version}", *what))
        if argument:
            text, messages = self.state.inline_text(argument, self.lineno)
            kept += [nodes.paragraph(argument, "", *text), *messages]
        self.state.nested_parse(self.content, self.content_offset, kept, match_titles=True)
        return kept.children


class _Code(_Kept):
    """Code, with any of the options that Sphinx has for it."""

    def run(self) -> list[nodes.Node]:
        code = "\n".join(self.content)
        language = "".join(self.arguments).strip().lower()
        return [nodes.literal_block(code, code, classes=["code", *language.split()])]


class _Signature(_Kept):
    """The description of a function, class or the like: its signature is code."""

    def run(self) -> list[nodes.Node]:
        signatures = [
            nodes.paragraph("", "", nodes.literal(text=line.strip()))
            for line in "\n".join(self.arguments).splitlines()
        ]
        content = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, content)
        return [*signatures, *content.children]


class _Dropped(_Kept):
    """A directive that has no content for readers, or that would change docutils itself."""

    def run(self) -> list[nodes.Node]:
        return []


_OURS: dict[str, type[Directive]] = {
    **dict.fromkeys(("code", "code-block", "sourcecode", "highlight-block", "prompt"), _Code),
    **dict.fromkeys(
        (
            *("toctree", "include", "literalinclude", "raw", "index", "highlight", "currentmodule"),
            *("module", "py:module", "py:currentmodule", "default-domain", "tabularcolumns"),
            *("role", "default-role", "meta", "contents", "sectnum", "codeauthor"),
        ),
        _Dropped,
    ),
    **dict.fromkeys(
        (
            f"{domain}{kind}"
            for domain in ("", "py:", "js:", "c:", "cpp:", "rst:", "std:")
            for kind in (
                *("function", "class", "method", "classmethod", "staticmethod", "attribute"),
                *("property", "exception", "data", "decorator", "option", "envvar", "type"),
            )
        ),
        _Signature,
    ),
}


class _TolerantState:
    """Mixed into each state of docutils' parser: directives come here on their way."""

    # docutils is not typed far enough to say what is inherited here.
    state_machine: Any
    nested_sm_kwargs: dict[str, Any]
    nested_sm_cache: list[Any] = []  # noqa: RUF012 - docutils' own; its machines must not mix with ours

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.nested_sm_kwargs["state_classes"] = STATES

    def run_directive(self, directive: Any, match: Any, name: str, presets: Any) -> Any:
        ours = _OURS.get(name.lower(), directive)
        found, blank_finish = super().run_directive(ours, match, name, presets)  # type: ignore[misc]
        return [kept for node in found for kept in _despite_error(node)], blank_finish

    def unknown_directive(self, name: str) -> Any:
        start = re.compile(rf"(?:\.\.[ ]+)?{re.escape(name)}[ ]?::(?:[ ]+|$)")
        return self.run_directive(_Kept, start.match(self.state_machine.line), name, {})


def _despite_error(node: nodes.Node) -> list[nodes.Node]:
    """A directive with a mistake is reported with its text: the text is what readers need."""
    if isinstance(node, nodes.system_message):
        return [child for child in node.children if isinstance(child, nodes.literal_block)]
    return [node]


#: The states of docutils' parser, made tolerant; they go by their names, so they keep them.
STATES = tuple(type(state.__name__, (_TolerantState, state), {}) for state in states.state_classes)


def tolerant_inliner() -> states.Inliner:
    """Make a reader of text within lines that keeps the text of an unknown role."""
    inliner = states.Inliner()
    read_known = inliner.interpreted

    def interpreted(rawsource: str, text: str, role: str, lineno: int) -> Any:
        known, _ = roles.role(role, inliner.language, lineno, inliner.reporter)
        if known is not None and role != "raw":
            return read_known(rawsource, text, role, lineno)
        return [_text_with_role(nodes.unescape(text), role)], []

    # On the instance: docutils looks its patterns up in the class itself, so a subclass has none.
    inliner.interpreted = interpreted  # type: ignore[method-assign]
    return inliner


def _text_with_role(text: str, role: str) -> nodes.Node:
    titled = _TITLE_AND_TARGET.fullmatch(text)
    title, target = (titled[1], titled[2]) if titled else (text, text)
    kind = role.rpartition(":")[2].lower()
    if kind == "doc":
        return nodes.reference(text, title, refuri=target)
    if not titled and title.startswith("~"):
        title = title.rpartition(".")[2]
    title = title.lstrip("!~")
    return nodes.inline(text, title) if kind in _PROSE_ROLES else nodes.literal(text, title)
