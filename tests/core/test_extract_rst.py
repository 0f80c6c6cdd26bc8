"""reStructuredText pages: what docutils does not know keeps its content, and nothing comes in."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.extract import Format, extract


def read(text: str) -> Content:
    return extract(text, Format.RST, name="page", resolve=lambda target: f"/abs/{target}")


def markdown(text: str) -> str:
    return read(text).markdown


def test_the_title_is_the_first_heading() -> None:
    assert read("Text.\n\nSet *it* up\n-----------\n\nA\n\nMore\n====\n\nB").title == "Set it up"


def test_a_page_without_a_heading_has_the_name_it_is_given() -> None:
    assert read("Text.").title == "page"


def test_headings_keep_their_levels() -> None:
    assert markdown("A\n=\n\nB\n-\n\nC\n~\n\nText") == "# A\n\n## B\n\n### C\n\nText"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":ref:`label`", "label"),
        (":ref:`The words <label>`", "The words"),
        (":doc:`setup`", "[setup](/abs/setup)"),
        (":doc:`Set up </guide/setup>`", "[Set up](/abs//guide/setup)"),
        (":class:`~a.b.C`", "`C`"),
        (":py:func:`!f`", "`f`"),
        (":nobody-knows:`this`", "`this`"),
        (":strong:`known`", "**known**"),
        ("``a_b``", "`a_b`"),
        ("`site <https://e.com>`_", "[site](/abs/https://e.com)"),
    ],
)
def test_roles_keep_their_text(text: str, expected: str) -> None:
    assert markdown(f"See {text} there.") == f"See {expected} there."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".. tabs::\n\n   .. tab:: Linux\n\n      Run *it*.", "Linux\n\nRun *it*."),
        (".. nobody-knows:: title\n   :option: x\n\n   Content.", "title\n\nContent."),
        ("- a\n\n  .. nobody-knows::\n\n     Content.", "- a\n\n  Content."),
        (".. deprecated:: 2.0\n   Use *b*.", "Deprecated since version 2.0: Use *b*."),
        (".. versionadded::", ""),
        (".. seealso:: Other things.", "**See also**\n\nOther things."),
        (".. code-block:: py\n   :caption: c\n\n   a  *b*", "```py\na  *b*\n```"),
        (".. code-block::\n\n   a", "```\na\n```"),
        (
            ".. function:: f(a, *b)\n             g()\n\n   Does it.",
            "`f(a, *b)`\n\n`g()`\n\nDoes it.",
        ),
        (".. toctree::\n   :maxdepth: 1\n\n   a\n   b", ""),
        (".. note::\n   :nobody-knows: x\n\n   Content.", "Content."),
    ],
)
def test_directives_keep_their_content(text: str, expected: str) -> None:
    found = markdown(f"Before.\n\n{text}\n\nAfter.").removeprefix("Before.").removesuffix("After.")
    assert re.search(re.escape(expected), found.strip())
    assert expected or not found.strip()


def test_no_file_of_the_machine_comes_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    text = (
        f".. include:: {secret}\n\n.. literalinclude:: {secret}\n\n"
        f".. raw:: html\n   :file: {secret}\n\n.. csv-table::\n   :file: {secret}\n\n"
        f".. role:: raw-html(raw)\n   :format: html\n\nText. :raw-html:`<b>x</b>`"
    )
    assert "hunter2" not in markdown(text)
    assert "<b>" not in markdown(text).replace("\\<b>", "").replace("`<b>", "")


def test_mistakes_in_a_page_are_not_reported_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Title\n==\n\n*open\n\n`x <y`_\n\n.. image::\n\n|undefined|\n\n====\n\n  odd\n indent"
    assert "system" not in markdown(text).lower()
    assert capsys.readouterr() == ("", "")


def test_one_page_does_not_change_how_the_next_is_read() -> None:
    markdown(".. default-role:: code\n\n.. role:: mine(strong)\n\n`a` :mine:`b`")
    assert markdown("x `a` :mine:`b`") == "x a `b`"


def test_pages_are_read_in_several_threads() -> None:
    pages = [f"T{n}\n===\n\n- a\n\n  .. tab:: x{n}\n\n     - :r:`b{n}`\n" for n in range(24)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds; what can come between two threads does
    try:
        with ThreadPoolExecutor(4) as pool:
            titles = [content.title for content in pool.map(read, pages)]
    finally:
        sys.setswitchinterval(interval)
    assert titles == [f"T{n}" for n in range(24)]


def test_a_page_that_docutils_would_read_for_minutes_is_refused() -> None:
    with pytest.raises(PageUnreadable, match="characters of reStructuredText"):
        read("word " * 120_000)


@pytest.mark.parametrize("text", ["(" * 4000, "\n".join(" " * n + "- a" for n in range(600))])
def test_a_page_that_is_nested_without_end_is_read_or_refused(text: str) -> None:
    try:
        assert markdown(f"Text.\n\n{text}")
    except PageUnreadable as refusal:
        assert "nested too deeply" in str(refusal)  # noqa: PT017 - both outcomes are fine


@pytest.mark.parametrize("order", [1, -1])
def test_substitutions_that_multiply_are_refused(order: int) -> None:
    definitions = [f".. |a{n + 1}| replace:: |a{n}| |a{n}| |a{n}|" for n in range(30)]
    text = "\n".join([".. |a0| replace:: text", *definitions][::order])
    with pytest.raises(PageUnreadable, match="substitutions"):
        read(f"Text |a30|.\n\n{text}")


def test_substitutions_may_hold_others_and_even_themselves() -> None:
    text = ".. |a| replace:: *b* |c|\n.. |c| replace:: d\n.. |e| replace:: |e|"
    assert markdown(f"Text |a| |A|.\n\n{text}\n\n|e|").startswith("Text *b* d *b* d.")
