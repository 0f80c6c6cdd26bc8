"""How well passages fit a question. Pure.

The numbers below were tuned on the documentation of public projects, with a hundred questions whose
pages are known and fifty that it does not answer.
"""

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.local_engine.query import Term
from core.store.passages import Entry

IN_HEADING = 2.0  # how many times in the text once in the title or the headings is worth
SATURATION = 1.5  # so many times in the text is half of what any number of times is worth
USUAL_LENGTH = 90  # words; in a longer passage each counts for a little less
LENGTH_MATTERS = 0.15  # of 1
COVERAGE_MATTERS = 0.75  # the power of it: less than 1, lest a word too many hide the best passage
HEADING_PRECISION = 0.5  # worth of title and headings that name nothing but what was asked for
ALL_PARTS = 0.9  # how well all parts of an identifier stand for it
SOME_PARTS = 0.4  # … and some of them, by their share
UNKNOWN_NUMBER = 0.3  # the weight of a port, date or id that no page has

Weighted = Sequence[tuple[Term, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A passage, and how well it fits a question."""

    entry: Entry
    score: float  #: the more, the better; compares passages for one question only
    coverage: float  #: how much of the question the passage has in any form, 0 to 1


def weigh(terms: Iterable[Term], total: int, counts: Mapping[str, int]) -> Weighted:
    """Weigh each term by how much it tells in `total` passages, of which `counts` have each word.

    A word that no passage has tells as much as one that a single passage has.
    """
    return [(term, term.weight * _rarity(term, total, counts)) for term in terms]


def rank(weighted: Weighted, entries: Iterable[Entry]) -> list[Match]:
    """Rate passages by how well they fit, the best first."""
    matches = [_match(weighted, entry) for entry in entries]
    return sorted(matches, key=lambda match: match.score, reverse=True)


def presence(term: Term, words: Container[str]) -> float:
    """How well the best of these words stands for a term, 0 to 1."""
    best = max((quality for form, quality in term.forms.items() if form in words), default=0.0)
    if term.parts and best < ALL_PARTS:
        share = sum(part in words for part in term.parts) / len(term.parts)
        best = max(best, ALL_PARTS if share == 1 else SOME_PARTS * share)
    return best


def what_counts(weighted: Weighted) -> Weighted:
    """What an answer has to be about.

    What a follow-up names itself; and of one that names nothing ("and why?"), what the question
    before it named.
    """
    own = [(term, weight) for term, weight in weighted if not term.back]
    return weighted if all(term.everyday for term, _ in own) else own


def _rarity(term: Term, total: int, counts: Mapping[str, int]) -> float:
    having = max(counts.get(form, 0) for form in term.forms)
    if not having and term.parts:
        having = min(counts.get(part, 0) for part in term.parts)
    known = max(having, 1)
    rarity = math.log(1 + (total - known + 0.5) / (known + 0.5))
    is_number = not having and any(char.isdigit() for char in term.word)
    return rarity * UNKNOWN_NUMBER if is_number else rarity


def _match(weighted: Weighted, entry: Entry) -> Match:
    above = {*entry.title, *entry.headings}
    text = Counter(entry.text)
    if all(term.everyday for term, _ in weighted):
        text.clear()  # "what time is it": only a page about time could answer that
    words = above | text.keys()
    coverage = _coverage(weighted, words)
    longer = 1 + LENGTH_MATTERS * (len(entry.text) / USUAL_LENGTH - 1)
    strength = sum(weight * _strength(term, above, text, longer) for term, weight in weighted)
    named = sum(min(2 * term.weight, 1.0) * presence(term, above) for term, _ in weighted)
    precision = HEADING_PRECISION * named / (len(above) + 1)
    total = sum(weight for _, weight in weighted)
    score = coverage**COVERAGE_MATTERS * (strength / total + precision)
    return Match(entry=entry, score=score, coverage=coverage)


def _coverage(weighted: Weighted, words: Container[str]) -> float:
    counted = what_counts(weighted)
    return sum(w * presence(t, words) for t, w in counted) / sum(w for _, w in counted)


def _strength(term: Term, above: Container[str], text: Counter[str], longer: float) -> float:
    best = 0.0
    for form, quality in term.forms.items():
        times = (IN_HEADING if form in above else 0.0) + text[form] / longer
        best = max(best, quality * times / (times + SATURATION))
    if term.parts and all(part in above or part in text for part in term.parts):
        best = max(best, IN_HEADING / (IN_HEADING + SATURATION))
    return best
