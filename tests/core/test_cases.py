"""Reading questions with what is expected of their answers."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cases import Case, read_cases
from core.errors import CasesUnreadable


def problems_of(*lines: str) -> tuple[str, ...]:
    with pytest.raises(CasesUnreadable) as raised:
        read_cases("\n".join(lines))
    return raised.value.problems


def test_a_line_is_a_question_with_its_page_fact_or_that_there_is_no_answer() -> None:
    text = """
        {"question": "how?", "page": "guide"}
        # what people asked in June

        {"question": "and then?", "earlier": "how?", "page": ["a", "b"], "fact": ["60 minutes"]}
        {"question": "the weather?", "no_answer": true}
    """
    assert read_cases(text) == [
        Case(line=2, question="how?", pages=("guide",)),
        Case(
            line=5,
            question="and then?",
            earlier=("how?",),
            pages=("a", "b"),
            facts=("60 minutes",),
        ),
        Case(line=6, question="the weather?", no_answer=True),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Line 1: this is not JSON at character 2; write one object a line."),
        ('["how?"]', "Line 1: this is not an object"),
        ('{"page": "a"}', 'Line 1: "question" is missing, or no text.'),
        ('{"question": " ", "page": "a"}', 'Line 1: "question" is missing, or no text.'),
        ('{"question": "q"}', "Line 1: say what is expected"),
        ('{"question": "q", "page": []}', "Line 1: say what is expected"),
        ('{"question": "q", "page": 7}', 'Line 1: "page" is neither a text nor a list of texts.'),
        ('{"question": "q", "pages": "a"}', "Line 1: there is no 'pages'; known are question,"),
        ('{"question": "q", "page": "a", "no_answer": true}', 'Line 1: with "no_answer"'),
        ('{"question": "q", "no_answer": "yes"}', 'Line 1: "no_answer" is neither'),
        ("", "There is no question in the file."),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_mending(line: str, problem: str) -> None:
    assert problems_of(line)[0].startswith(problem)


def test_all_bad_lines_are_named_at_once_up_to_a_bound() -> None:
    problems = problems_of('{"question": "q", "page": "a"}', *["{"] * 30)
    assert problems[0].startswith("Line 2: ")
    assert problems[19].startswith("Line 21: ")
    assert problems[20:] == ("… and 10 more.",)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://docs.example/guide/backups", "backups"),
        ("https://docs.example/guide/backups", "guide/backups"),
        ("https://docs.example/guide/backups#restore", "/guide/backups/"),
        ("https://docs.example/guide/backups.html", "backups"),
        ("https://docs.example/guide/backups", "backups.md"),
        ("https://docs.example/guide/backups/index.html", "guide/backups"),
        ("https://docs.example/guide/backups", "https://docs.example/guide/backups"),
        ("https://docs.example/guide/backups#restore", "backups#restore"),
        ("file:///srv/docs/backups.md", "backups"),
        ("https://docs.example/a%20b", "a b"),
    ],
)
def test_a_page_is_named_by_its_address_or_the_end_of_its_path(url: str, page: str) -> None:
    assert Case(line=1, question="q", pages=(page,)).is_page(url)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://docs.example/guide/my-backups", "backups"),
        ("https://docs.example/backups/old", "backups"),
        ("https://docs.example/backups", "guide/backups"),
        ("https://other.example/backups", "https://docs.example/backups"),
        ("https://docs.example/backups#make", "backups#restore"),
        ("https://docs.example/backups", "#restore"),
    ],
)
def test_another_page_or_section_is_not_taken_for_it(url: str, page: str) -> None:
    assert not Case(line=1, question="q", pages=(page,)).is_page(url)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["question", "earlier", "page", "fact", "no_answer", "x"]), json_values
    )
    | json_values
)
def test_any_line_is_a_case_or_named_as_bad(value: object) -> None:
    with contextlib.suppress(CasesUnreadable):
        [case] = read_cases(json.dumps(value))
        assert case.question
        assert bool(case.pages or case.facts) != case.no_answer
