"""Pages as the common generators write them, beside the Markdown that they must become.

The first line of an expected file is the title.
"""

from pathlib import Path

import pytest

from core.sources.extract import BY_SUFFIX, extract
from core.sources.links import absolute

SAMPLES = Path(__file__).parent / "extract_samples"
PAGES = sorted(path for path in SAMPLES.iterdir() if not path.name.endswith(".expected.md"))
PAGE_URL = "https://docs.example.com/guide/page"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_becomes_the_expected_markdown(page: Path) -> None:
    content = extract(
        page.read_text(),
        BY_SUFFIX[page.suffix],
        name="no title found",
        resolve=lambda target: absolute(PAGE_URL, target),
    )
    expected = (SAMPLES / f"{page.name}.expected.md").read_text()
    assert f"title: {content.title}\n\n{content.markdown}\n" == expected


def test_there_is_a_sample_of_every_format() -> None:
    assert {BY_SUFFIX[page.suffix] for page in PAGES} == set(BY_SUFFIX.values())
