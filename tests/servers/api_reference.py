"""Real API-reference pages in their hundreds, made of what every machine has: Python's own library.

    pages = api_reference(tmp_path)  # {"json.decoder": "<!DOCTYPE html>…", …}

`pydoc` writes them. It imports what it describes, so that happens in a process of its own: this
file, run as a program.
"""

import contextlib
import os
import pkgutil
import pydoc
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MOST = 180  #: pages
LARGEST = 30_000  #: characters of HTML; the others take as long as all of these
SECONDS = 60.0  #: for all of them

#: Packages whose modules are described one by one, too.
_PACKAGES = ("asyncio", "concurrent", "email", "html", "http", "json", "logging", "urllib", "xml")
#: Importing these does something: opens a browser or a window, prints, or warns.
_LEFT_ALONE = frozenset(
    {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3", "test", "nt"}
)


def api_reference(folder: Path) -> Mapping[str, str]:
    """Write the pages into an empty folder; their HTML by the name of the module."""
    subprocess.run(
        [sys.executable, "-I", "-W", "ignore", __file__, str(folder)],
        check=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return {page.stem: page.read_text() for page in sorted(folder.glob("*.html"))}


def _names() -> Iterator[str]:
    for name in sorted(sys.stdlib_module_names - _LEFT_ALONE):
        if name.startswith("_"):
            continue
        yield name
        if name in _PACKAGES:
            with contextlib.suppress(Exception):
                paths = __import__(name).__path__
                yield from (
                    found.name
                    for found in pkgutil.walk_packages(paths, f"{name}.", onerror=lambda name: None)
                    if not any(part.startswith(("_", "test")) for part in found.name.split("."))
                )


def _write(folder: Path) -> None:
    written = 0
    for name in _names():
        with contextlib.suppress(BaseException):  # modules of other systems end in many ways
            module = pydoc.safeimport(name)
            if module is not None and pydoc.getdoc(module):
                page = pydoc.html.page(pydoc.describe(module), pydoc.html.document(module, name))
                if len(page) <= LARGEST:
                    (folder / f"{name}.html").write_text(page)
                    written += 1
        if written == MOST:
            return


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
