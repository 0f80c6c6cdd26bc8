"""Texts for the tests of rendering, made by Hypothesis: hostile ones, and documents.

Arbitrary characters, signs of Markdown in any order, and documents put together from blocks, whose
words are known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

SIGNS = (
    "*", "**", "_", "__", "~~", "`", "``", "```", "```py\n", "~~~", "[", "]", "](", ")", "<", ">",
    "![", "|", "\n|-|-|\n", "\n", "\n\n", "\n> ", "\n- ", "\n1. ", "\n# ", "\n---\n", "    ", " ",
    "\\", "&", "&lt;", "&#64;", "@", "@everyone", "everyone", "@here", "<@123>", "<@", "123>",
    "<!here>", "<#C1|x>", "https://", "https://evil.example/", "https://docs.example.com/page",
    "javascript:", "mailto:a@b.example", "<t:1:R>", ":smile:", "$", "\\(", "\\[ ", "\\]", "[^1]",
    "<br>", "<br", " />", "\t", "[ ] ", "~", "   ", "1.", "-", "=", "\n===\n", "\r",
    "\u202e", "\u200b", "\u200d", "é",
    "👍", "漢字。", "שלום", "w",
)  # fmt: skip

jumbles = st.lists(st.sampled_from(SIGNS), max_size=60).map("".join)
long_jumbles = jumbles.map(lambda jumble: (jumble * 300)[:6_000])
texts = st.one_of(st.text(max_size=400), jumbles, long_jumbles)


@dataclass(frozen=True)
class Sample:
    """Markdown, and the words that must be seen, in this order."""

    markdown: str
    words: tuple[str, ...]


words = st.text("abcdefghij", min_size=5, max_size=12)


@st.composite
def sentences(draw: st.DrawFn) -> Sample:
    chosen = draw(st.lists(words, min_size=1, max_size=60))
    shapes = st.sampled_from(
        ["{}", "{}", "{}", "**{}**", "*{}*", "~~{}~~", "`{}`", "{}.", "`` `{} ``"]
    )
    shown = [draw(shapes).format(word) for word in chosen]
    return Sample(" ".join(shown), tuple(chosen))


@st.composite
def fences(draw: st.DrawFn) -> Sample:
    lines = draw(st.lists(sentences(), min_size=1, max_size=40))
    sign = draw(st.sampled_from(["````", "~~~~"]))
    text = "\n".join(line.markdown for line in lines)
    return Sample(f"{sign}PY\n{text}\n{sign}", tuple(_chain(lines)))


@st.composite
def tables(draw: st.DrawFn) -> Sample:
    rows = draw(st.lists(st.tuples(words, words, words), min_size=1, max_size=30))
    lines = ["| A | B | C |", "|---|--:|:-:|", *(f"| {a} | `{b}` | **{c}** |" for a, b, c in rows)]
    return Sample("\n".join(lines), tuple(word for row in rows for word in row))


@st.composite
def contained(draw: st.DrawFn, inner: st.SearchStrategy[Sample]) -> Sample:
    blocks = draw(st.lists(inner, min_size=1, max_size=4))
    first, rest = draw(
        st.sampled_from([("> ", "> "), ("- ", "  "), ("7. ", "   "), ("- [ ] ", "  ")])
    )
    text = "\n\n".join(block.markdown for block in blocks)
    return Sample(first + text.replace("\n", "\n" + rest), tuple(_chain(blocks)))


headings = sentences().map(lambda sample: Sample("## " + sample.markdown, sample.words))
blocks = st.recursive(st.one_of(sentences(), headings, fences(), tables()), contained, max_leaves=6)
documents = st.lists(blocks, min_size=1, max_size=6).map(
    lambda parts: Sample("\n\n".join(part.markdown for part in parts), tuple(_chain(parts)))
)


def _chain(samples: Iterable[Sample]) -> Iterator[str]:
    for sample in samples:
        yield from sample.words
