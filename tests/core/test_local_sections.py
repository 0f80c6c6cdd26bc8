from core.documents import Page
from core.domain import Citation
from core.local_engine.sections import Sections, section_of

MARKDOWN = """# Access tokens

A token proves who you are.

## How long does a token last?

An access token expires after ninety days. Before that, a reminder is sent by mail.

## How do I renew a token?

Open the page Account and choose Renew; the old token works for one more hour.
"""
PAGE = Page(
    source="docs", url="https://x.dev/tokens", title="Access tokens", markdown=MARKDOWN, stamp=None
)
WHOLE = Citation(url=PAGE.url, title=PAGE.title)


def located(sentence: str) -> str | None:
    found = section_of(PAGE, sentence)
    return found.url if found else None


def test_a_sentence_leads_to_the_section_that_says_so() -> None:
    assert located("Tokens expire after ninety days.") == (
        "https://x.dev/tokens#how-long-does-a-token-last"
    )
    assert located("To renew one, choose Renew on the page Account") == (
        "https://x.dev/tokens#how-do-i-renew-a-token"
    )


def test_a_sentence_that_no_section_clearly_holds_leads_to_the_page() -> None:
    assert located("Use a token.") is None
    assert located("The weather in Paris is fine today") is None
    assert located("") is None


def test_a_page_of_one_section_is_cited_as_a_whole() -> None:
    page = Page(source="docs", url="https://x.dev/a", title="A", markdown="# A\n\nB.", stamp=None)
    assert section_of(page, "An access token expires after ninety days") is None


async def test_a_citation_gets_the_section_where_the_page_is_known() -> None:
    async def get_pages(urls: object) -> list[Page]:
        return [PAGE] if urls == [PAGE.url] else []

    sections = Sections(get_pages=get_pages)
    found = await sections.locate(WHOLE, "An access token expires after ninety days.")
    assert found.url.endswith("#how-long-does-a-token-last")
    assert found.title == "Access tokens › How long does a token last?"
    gone = Citation(url="https://x.dev/gone", title="Gone")
    assert await sections.locate(gone, "An access token expires after ninety days.") == gone
