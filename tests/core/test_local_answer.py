"""How well passages fit, and what is written of them."""

from hypothesis import given
from hypothesis import strategies as st

from core.documents import Passage
from core.domain import Citation
from core.local_engine.answer import FIRST_LINE, cite, write_answer
from core.local_engine.excerpt import excerpt
from core.local_engine.query import read_questions
from core.local_engine.ranking import Match, Weighted, rank, weigh
from core.local_engine.words import words_of
from core.store.passages import Entry


def asked(*questions: str) -> Weighted:
    """What the last question looks for, every word as rare as the other."""
    return weigh(read_questions(questions), 100, {})


def entry(text: str, *, title: str = "Guide", headings: tuple[str, ...] = ()) -> Entry:
    url = "https://docs/" + "/".join([title, *headings]).lower()
    return Entry(
        passage=Passage(url=url, title=title, headings=headings, text=text),
        title=words_of(title),
        headings=words_of(" ".join(headings)),
        text=words_of(text),
    )


def coverage(question: str, text: str, *earlier: str) -> float:
    [match] = rank(asked(*earlier, question), [entry(text)])
    return match.coverage


def test_coverage_is_the_share_of_the_question_that_a_passage_has() -> None:
    assert coverage("restore backups", "A backup is restored.") == 1
    assert coverage("restore backups", "A backup is made.") == 0.5
    assert coverage("restore backups", "Something else.") == 0


def test_words_that_wrap_a_question_hardly_lower_its_coverage() -> None:
    assert coverage("what is the best way to restore backups?", "A backup is restored.") > 0.75


def test_an_identifier_is_covered_whole_and_nearly_so_by_all_its_parts() -> None:
    assert coverage("DATABASE_URL", "Set `DATABASE_URL`.") == 1
    assert 0.8 < coverage("DATABASE_URL", "The URL of the database.") < 1
    assert coverage("DATABASE_URL", "A URL.") < 0.5


def test_a_question_of_everyday_words_is_covered_by_headings_only() -> None:
    assert coverage("what time is it?", "The time of the last check.") == 0


def test_what_a_follow_up_names_itself_must_be_there() -> None:
    assert coverage("and to Dropbox?", "How to make a backup.", "How do I make a backup?") == 0
    assert coverage("why?", "How to make a backup.", "How do I make a backup?") == 1


def test_titles_and_headings_that_name_just_what_was_asked_for_come_first() -> None:
    passages = [
        entry("Run a backup at night."),
        entry("Run it at night.", headings=("Backups, exports, imports and the rest",)),
        entry("Run it at night.", headings=("Backups",)),
    ]
    ranked = rank(asked("backups"), passages)
    assert [match.entry for match in ranked] == passages[::-1]


def answer_of(*entries: Entry, question: str = "how do I restore a backup?") -> tuple[str, ...]:
    weighted = asked(question)
    answer = write_answer(rank(weighted, entries), weighted)
    assert answer.text.startswith(FIRST_LINE + "\n\n")
    titles = [line for line in answer.text.split("\n") if line.startswith("**")]
    assert len(titles) == len(answer.citations)
    return tuple(citation.title for citation in answer.citations)


def test_an_answer_says_what_it_is_and_where_its_passages_come_from() -> None:
    weighted = asked("how do I restore a backup?")
    best = entry("Stop the server and restore it.", title="Backups", headings=("Restore",))
    answer = write_answer(rank(weighted, [best]), weighted)
    assert answer.text == (
        f"{FIRST_LINE}\n\n**Backups › Restore**\n\nStop the server and restore it."
    )
    assert answer.citations == (
        Citation(url="https://docs/backups/restore", title="Backups › Restore"),
    )


def test_three_passages_are_enough() -> None:
    sections = [entry("Restore the backup.", headings=(f"Section {n}",)) for n in range(5)]
    assert len(answer_of(*sections)) == 3


def test_passages_that_fit_much_worse_than_the_best_are_left_out() -> None:
    best = entry("Restore the backup.", title="Restore backups")
    worse = entry("This text mentions a backup. " + "Other words. " * 50, title="Other")
    assert answer_of(worse, best) == ("Restore backups",)


def test_each_section_of_a_page_is_shown_once() -> None:
    halves = [entry("Restore the backup.", headings=("One",)) for _ in range(2)]
    assert answer_of(*halves, entry("Restore the backup.", headings=("Two",))) == (
        "Guide › One",
        "Guide › Two",
    )


def test_a_citation_names_the_page_and_the_section_but_nothing_twice() -> None:
    def title(*headings: str) -> str:
        return cite(Passage(url="u", title="Guide", headings=headings, text="")).title

    assert title() == title("Guide") == "Guide"
    assert title("Guide", "Set up", "On Linux") == "Guide › On Linux"


def test_markup_in_a_heading_stays_text() -> None:
    weighted = asked("restore")
    evil = entry("Restore.", title="[here](https://evil.example) **<@U1>** `x`")
    text = write_answer(rank(weighted, [evil]), weighted).text
    assert r"**\[here\](https://evil.example) \*\*\<@U1>\*\* \`x\`**" in text


def test_a_whole_answer_fits_into_one_message() -> None:
    long = "\n\n".join(f"Restore the backup number {n}. " * 6 for n in range(8))
    for count in (1, 2, 3):
        weighted = asked("restore backup")
        entries = [entry(long, headings=(f"Section {n}",)) for n in range(count)]
        assert len(write_answer(rank(weighted, entries), weighted).text) < 1900


def test_an_excerpt_starts_where_the_text_fits_best() -> None:
    text = "First this.\n\nThen that.\n\nTo restore, do so.\n\nAnd last."
    assert excerpt(text, asked("restore"), 35) == "… To restore, do so.\n\nAnd last."


def test_an_excerpt_of_a_text_that_fits_is_the_text() -> None:
    assert excerpt("One.\n\nTwo.", asked("two"), 100) == "One.\n\nTwo."


def test_what_introduces_a_code_block_stays_with_it() -> None:
    text = "Some text before.\n\nRun this:\n\n```\nrestore\n```\n\n" + "And so on. " * 20
    assert excerpt(text, asked("restore"), 60) == "… Run this:\n\n```\nrestore\n```\n\n…"


def test_a_long_paragraph_is_cut_around_the_sentence_that_fits_best() -> None:
    text = "One thing. " * 20 + "Restore it here. " + "Another thing. " * 20
    assert excerpt(text, asked("restore"), 50).startswith("… Restore it here. Another thing.")
    assert excerpt(text, asked("restore"), 50).endswith(" …")


def test_a_code_block_that_is_cut_is_closed() -> None:
    code = "```bash\n" + "restore something\n" * 50 + "```"
    assert excerpt(code, asked("restore"), 60) == (
        "```bash\nrestore something\nrestore something\n…\n```"
    )


def test_a_code_block_inside_a_list_is_closed_when_the_list_is_cut() -> None:
    text = "1. Run\n\n   ```bash\n" + "   restore something\n" * 50 + "   ```\n"
    assert excerpt(text, asked("restore"), 60).split("\n")[-2:] == ["…", "   ```"]


@given(st.text(alphabet="ab restore.:#`~|-*[]\n\t<>!", max_size=300), st.integers(20, 200))
def test_an_excerpt_of_any_text_is_short_and_closed(text: str, room: int) -> None:
    short = excerpt(text, asked("restore b"), room)
    assert len(short) <= max(2 * room, room + 40)
    assert excerpt(short, asked("restore b"), 10_000) == short


def test_matches_say_nothing_of_texts_they_do_not_fit() -> None:
    ranked: list[Match] = rank(asked("restore"), [entry("Nothing.", title="Other")])
    assert (ranked[0].score, ranked[0].coverage) == (0, 0)
