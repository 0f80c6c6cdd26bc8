"""What people call a source: where a folder is on the server is nobody's business."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from core.errors import UnknownSource
from core.ports import PageSource


def called(source: str) -> str:
    """A source's name without what only the server knows: its base address, or its last folder."""
    folder, _, base = source.partition("=")
    if base.startswith("http"):
        return base.split()[0]
    return source if "://" in source else PurePath(folder).name or str(PurePath(folder))  # "."


def names_of(sources: Sequence[PageSource]) -> Sequence[str]:
    """What people call each source; in full where two would be called the same."""
    counts = Counter(called(source.name) for source in sources)
    short = {source.name: called(source.name) for source in sources}
    return [name if counts[short[name]] > 1 else short[name] for name in short]


def by_any_name(sources: Sequence[PageSource]) -> Mapping[str, str]:
    """The name of each source by all that it may be called: by people, and in DOCS_SOURCES."""
    names = [source.name for source in sources]
    return dict(zip(names_of(sources), names, strict=True)) | {name: name for name in names}


def chosen(sources: Sequence[PageSource], names: Sequence[str]) -> Sequence[PageSource]:
    """The sources of these names, as people call them or as DOCS_SOURCES has them; or all of them.

    Raises UnknownSource, with the names that there are.
    """
    called_so = dict(zip(names_of(sources), sources, strict=True))
    by_name = {source.name: source for source in sources} | called_so
    if unknown := [name for name in names if name.strip() not in by_name]:
        there_are = ", ".join(called_so)
        raise UnknownSource(
            f"DOCS_SOURCES has no source {unknown[0]!r}: choose one of {there_are}."
        )
    wanted = {by_name[name.strip()].name for name in names}
    return [source for source in sources if source.name in wanted or not names]
