"""Words of a question that no passage has, and what is taken for them."""

from collections.abc import Iterable

from core.local_engine.mending import MISTYPED, MOST_MISTYPED, mend
from core.local_engine.query import Term, read_questions

INDEX = {"backup": 9, "data": 20, "center": 5, "vulner": 3, "delet": 4, "remov": 2, "gunicorn": 2}


class Index:
    """How many passages have a word, and for how many words that was asked."""

    def __init__(self, **more: int) -> None:
        self.words = INDEX | more
        self.asked = 0

    async def frequencies(self, words: Iterable[str]) -> tuple[int, dict[str, int]]:
        wanted = set(words)
        self.asked += len(wanted)
        return 100, {word: self.words[word] for word in wanted & self.words.keys()}


async def mended(question: str, index: Index) -> tuple[list[Term], dict[str, int]]:
    terms = read_questions([question])
    _, counts = await index.frequencies({form for term in terms for form in term.forms})
    return await mend(terms, counts, index.frequencies)


async def test_a_word_that_is_a_slip_away_stands_for_an_unknown_one() -> None:
    [term], counts = await mended("gunicron", Index())
    assert term.forms["gunicorn"] == MISTYPED
    assert counts["gunicorn"] == 2


async def test_words_related_to_the_one_that_was_meant_stand_for_it_with_less_weight() -> None:
    [term], counts = await mended("delette", Index())
    assert 0 < term.forms["remov"] < term.forms["delet"] == MISTYPED
    assert counts["remov"] == 2


async def test_of_several_words_the_most_common_is_meant() -> None:
    [term], _ = await mended("backep", Index(backer=1))
    assert "backup" in term.forms
    assert "backer" not in term.forms


async def test_a_slip_that_changes_the_stem_is_mended_too() -> None:
    [term], _ = await mended("vulnerabilites", Index())
    assert term.forms["vulner"] == MISTYPED


async def test_two_words_written_as_one_are_its_parts() -> None:
    [term], _ = await mended("datacenter", Index())
    assert term.parts == ("data", "center")


async def test_known_and_everyday_words_and_identifiers_stay_as_they_are() -> None:
    index = Index()
    terms = read_questions(["how do backups usually work with DATA_CENTRE?"])
    after, _ = await mended("how do backups usually work with DATA_CENTRE?", index)
    assert after == terms


async def test_of_many_unknown_words_a_few_are_looked_up() -> None:
    one, many = Index(), Index()
    await mended("abcdefgh", one)
    letters = "ijklmnopqrstuvwxyz"
    await mended(" ".join(f"abcdefg{letter}{letter}" for letter in letters), many)
    assert many.asked < 2 * MOST_MISTYPED * one.asked
