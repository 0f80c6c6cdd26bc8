"""Words, and how questions are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.local_engine.query import Term, read_questions
from core.local_engine.spelling import halves_of, one_slip_away, slips_near_the_end
from core.local_engine.words import words_of


def topics(*questions: str) -> list[str]:
    """What the last question is about, by stem."""
    return [term.word for term in read_questions(questions) if not term.everyday and not term.back]


def context(*questions: str) -> dict[str, int]:
    """What is taken over from earlier questions, and from how far back."""
    return {term.word: term.back for term in read_questions(questions) if term.back}


def term(question: str) -> Term:
    [only] = read_questions([question])
    return only


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("refresh", "refreshing"),
        ("settings", "setting"),
        ("organisation", "organizations"),
        ("colour", "colors"),
        ("behaviour", "behavior"),
        ("résumé", "resume"),
        ("re\u0301sume\u0301", "résumé"),
        ("page's", "pages"),
        ("Don’t", "don't"),
        ("dry-run", "dry_run"),
        ("DATABASE_URL", "databaseUrl"),
    ],
)
def test_forms_of_a_word_are_one(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)


def test_identifiers_are_kept_whole_and_split() -> None:
    assert words_of("DATABASE_URL") == ["databas", "url", "databaseurl"]
    assert words_of("--dry-run") == ["dri", "run", "dryrun"]
    assert words_of("/refresh-docs") == ["refresh", "doc", "refreshdoc"]
    assert words_of("core.store.Passages") == ["core", "store", "passag", "corestorepassag"]
    assert words_of("HttpServer") == ["http", "server", "httpserver"]
    assert words_of("URLs and APIs") == ["url", "api"]


def test_words_without_a_topic_are_dropped_from_pages() -> None:
    assert words_of("What is the price of it?") == ["price"]


def test_link_targets_and_tags_are_not_words_of_a_page() -> None:
    markdown = 'See [backups](https://x.example/y_(z) "t") <br class="wide"> <!-- not me --> now.'
    assert words_of(markdown) == ["see", "backup"]


def test_hashes_are_not_words() -> None:
    assert words_of(f"hash {'0f' * 32} end") == ["hash", "end"]


def test_a_question_is_about_what_it_names() -> None:
    assert topics("Hi, could somebody please tell me how to restore a backup?") == [
        "restor",
        "backup",
    ]


def test_everyday_words_are_looked_for_but_count_for_little() -> None:
    read = {term.word: term.weight for term in read_questions(["show an example of escaping"])}
    assert read["exampl"] < read["escap"] == 1.0


def test_a_word_is_also_looked_for_as_words_of_the_same_meaning() -> None:
    forms = term("deleting").forms
    assert forms["remov"] < forms["delet"] == 1.0


def test_two_words_are_also_looked_for_as_one() -> None:
    assert all("webhook" in term.forms for term in read_questions(["web hooks"]))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("get rid of a webhook", "delet"),
        ("turn the debug mode off", "disabl"),
        ("turned it off", "disabl"),
        ("log me out", "logout"),
        ("which command line", "cli"),
    ],
)
def test_what_is_said_in_several_words_is_also_looked_for_as_one(said: str, meant: str) -> None:
    related = {form for term in read_questions([said]) for form in term.forms}
    assert meant in related


@pytest.mark.parametrize("said", ["turn the whole big page off", "off we turn", "get a rid"])
def test_words_that_only_look_like_a_phrase_stand_for_themselves(said: str) -> None:
    forms = {form for term in read_questions([said]) for form in term.forms}
    assert forms.isdisjoint({"disabl", "delet", "remov"})


def test_a_word_that_is_repeated_counts_once() -> None:
    assert topics("backup? Backup! BACKUPS!!!") == ["backup"]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        "???",
        "hi",
        "Hello there!",
        "thanks!",
        "Thank you very much 🙏",
        "ok, great",
        "👍",
    ],
)
def test_small_talk_asks_nothing_even_after_a_question(question: str) -> None:
    assert read_questions([question]) == []
    assert read_questions(["How do I restore a backup?", question]) == []


@pytest.mark.parametrize(
    "follow_up",
    ["how do I restore it?", "and to another machine?", "what about Windows?", "why?", "encrypted?",
     "can you give an example?"],
)  # fmt: skip
def test_a_follow_up_is_read_with_the_question_before(follow_up: str) -> None:
    assert context("How do I make a backup?", follow_up)["backup"] == 1


def test_a_question_that_speaks_for_itself_is_read_alone() -> None:
    assert context("How do I make a backup?", "Which roles may invite new members?") == {}


def test_a_follow_up_to_a_follow_up_reaches_further_back_with_less_weight() -> None:
    questions = ["How do I make a backup?", "and on Windows?", "thanks!", "can it be encrypted?"]
    assert context(*questions) == {"window": 1, "make": 2, "backup": 2}
    weights = {term.word: term.weight for term in read_questions(questions)}
    assert weights["backup"] < weights["window"] < weights["encrypt"]


def test_a_question_that_speaks_for_itself_ends_the_context() -> None:
    questions = ["What does the plan cost?", "Which roles may invite members?", "and remove them?"]
    assert "cost" not in context(*questions)


def test_what_is_pasted_is_read_up_to_a_bound() -> None:
    assert len(read_questions([" ".join(f"word{n}" for n in range(5000))])) <= 40


@pytest.mark.parametrize("mistyped", ["resotre", "restor", "restorre", "restpre"])
def test_a_slip_leads_back_to_the_word(mistyped: str) -> None:
    assert "restore" in one_slip_away(mistyped)


@pytest.mark.parametrize("word", ["paris", "1234567", "größer"])
def test_a_word_is_no_slip_of_itself(word: str) -> None:
    assert word not in one_slip_away(word)


def test_a_slip_that_hides_the_stem_leads_back_to_the_word() -> None:
    assert "vulnerabilities" in slips_near_the_end("vulnerabilites")
    assert "xulnerabilities" not in slips_near_the_end("vulnerabilites")


def test_a_word_may_be_two() -> None:
    assert ("data", "center") in halves_of("datacenter")
    assert halves_of("short") == halves_of("k8sport") == halves_of("größenwahn") == []


def test_short_words_are_taken_as_they_are() -> None:
    assert not one_slip_away("cat")


@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_questions_can_be_read(questions: list[str]) -> None:
    for term in read_questions(questions):
        assert term.forms[term.word] == 1.0
        assert 0 < term.weight <= 1
