"""Questions that went unanswered, put together by what they are about. Pure.

Without a model: the words of the questions are read as the local engine reads them (stems, words
that say the same, phrases), each counts for as much as it is rare among the questions, and
questions whose words point the same way are of one topic. The outcome depends on the questions
alone, not on their order.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.local_engine.query import Term, read_questions
from core.unanswered import Gap, GapKind

# Tuned on the questions that the tests measure the agreement on.
ALIKE = 0.25  # cosine between a question and a topic from which on it is part of it
RARE_MATTERS = 0.5  # the power of a word's rarity: a topic's own words are not rare among questions
UNSHARED = 0.25  # the weight of a word that no other question has: it tells nothing of a topic
ROUNDS = 2  # in which each question moves to the topic that it fits best
READ = 400  # characters of a question that tell what it is about: the rest is pasted
READ_OF_ALL = 300_000  # characters that are read in about a second; of more questions, less of each
NAMED_BY = 3  # words

_ADDRESS = re.compile(r"https?://\S+")

Vector = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Questions about the same thing."""

    question: str  #: the one that says best what they are about
    words: tuple[str, ...]  #: that tell most about them, at most NAMED_BY; may be empty
    gaps: tuple[Gap, ...]  #: the one named in `question` first, then the latest first
    people: int  #: how many asked
    last_asked: float
    kinds: Mapping[GapKind, int]  #: how many went unanswered in which way


@dataclass(frozen=True, slots=True)
class _Item:
    """Questions that have the same words."""

    key: tuple[str, ...]
    terms: tuple[Term, ...]
    gaps: tuple[Gap, ...]


def topics_of(gaps: Iterable[Gap]) -> list[Topic]:
    """Put questions together by topic; those most often asked first.

    Every question is in exactly one topic. Questions with the same words are in the same one. Where
    all else is equal, what comes first in the alphabet goes first, and then the older turn.
    Questions whose text is deleted are left out.
    """
    items = _items(gap for gap in gaps if not gap.forgotten)
    vectors = _vectors(items)
    topics = [_topic(items, vectors, numbers) for numbers in _clusters(items, vectors)]
    return sorted(topics, key=lambda topic: (-len(topic.gaps), -topic.last_asked, topic.question))


# --- reading --------------------------------------------------------------------------------------


def _items(gaps: Iterable[Gap]) -> list[_Item]:
    """What has the same words, once; in an order that does not depend on that of the questions."""
    terms: dict[tuple[str, ...], tuple[Term, ...]] = {}
    same: dict[tuple[str, ...], list[Gap]] = defaultdict(list)
    gaps = sorted(gaps, key=lambda gap: gap.turn)
    length = min(READ, READ_OF_ALL // max(1, len(gaps)))
    for gap in gaps:
        read = tuple(read_questions([_begin(gap.before, length), _begin(gap.question, length)]))
        # What has no word to go by is told apart by its text.
        key = tuple(sorted({t.word for t in read})) or ("", " ".join(gap.question.lower().split()))
        terms.setdefault(key, read)
        same[key].append(gap)
    return [_Item(key, terms[key], tuple(same[key])) for key in sorted(same)]


def _begin(text: str, length: int) -> str:
    """The whole words that a text begins with, without addresses; what there is of a long one."""
    text = _ADDRESS.sub(" ", text[: 4 * length]).strip()
    return text if len(text) <= length else text[:length].rsplit(maxsplit=1)[0]


def _vectors(items: Sequence[_Item]) -> list[Vector]:
    """The direction in which the words of each item point; nothing where it has none."""
    having = Counter(word for item in items for word in {term.word for term in item.terms})
    total = len(items)
    return [_unit(_weighted(item.terms, having, total)) for item in items]


def _weighted(terms: Sequence[Term], having: Mapping[str, int], total: int) -> Vector:
    vector: Vector = {}
    for term in terms:
        met = {form: quality for form, quality in sorted(term.forms.items()) if form in having}
        known = having[term.word]
        rarity = math.log(1 + (total - known + 0.5) / (known + 0.5))
        weight = term.weight * rarity**RARE_MATTERS
        if sum(having[form] for form in met) == 1:
            weight *= UNSHARED
        for form, quality in met.items():
            vector[form] = max(vector.get(form, 0.0), weight * quality)
    return vector


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {word: weight / length for word, weight in vector.items()} if length else {}


# --- putting together -----------------------------------------------------------------------------


class _Centres:
    """The sums of the vectors of clusters, to be looked up by word."""

    def __init__(self) -> None:
        self._by_word: dict[str, dict[int, float]] = defaultdict(dict)
        self._squares: dict[int, float] = {}  # of the length of each sum
        self.count = 0

    def new(self) -> int:
        """Begin a cluster; its number."""
        self.count += 1
        self._squares[self.count] = 0.0
        return self.count

    def add(self, cluster: int, vector: Vector) -> None:
        """Let the cluster point a little more this way."""
        square = self._squares[cluster]
        for word, weight in vector.items():
            there = self._by_word[word]
            before = there.get(cluster, 0.0)
            there[cluster] = before + weight
            square += weight * (2 * before + weight)
        self._squares[cluster] = square

    def nearest(self, vector: Vector) -> tuple[int, float]:
        """The cluster that points most the same way, and the cosine; 0 where none does at all."""
        products: dict[int, float] = defaultdict(float)
        for word, weight in vector.items():
            for cluster, there in self._by_word.get(word, {}).items():
                products[cluster] += weight * there
        best, nearest = 0, 0.0
        for cluster, product in products.items():
            cosine = product / math.sqrt(self._squares[cluster])
            if cosine > nearest or (cosine == nearest and cluster < best):
                best, nearest = cluster, cosine
        return best, nearest


def _clusters(items: Sequence[_Item], vectors: Sequence[Vector]) -> list[list[int]]:
    """The numbers of the items that belong together."""
    order = _central_first(vectors)
    clusters = _led(order, vectors)
    for _ in range(ROUNDS):
        clusters = _settled(order, vectors, clusters)
    wordless = [[number] for number, vector in enumerate(vectors) if not vector]
    return clusters + wordless


def _central_first(vectors: Sequence[Vector]) -> list[int]:
    """The numbers of the vectors, those first whose words many have; ties as they come."""
    everything: Vector = defaultdict(float)
    for vector in vectors:
        for word, weight in vector.items():
            everything[word] += weight
    shared = [sum(weight * everything[word] for word, weight in v.items()) for v in vectors]
    numbers = [number for number, vector in enumerate(vectors) if vector]
    return sorted(numbers, key=lambda number: -shared[number])


def _led(order: Sequence[int], vectors: Sequence[Vector]) -> list[list[int]]:
    """Each joins the cluster that it comes near to, or begins one."""
    centres, members = _Centres(), defaultdict[int, list[int]](list)
    for number in order:
        cluster, cosine = centres.nearest(vectors[number])
        if cosine < ALIKE:
            cluster = centres.new()
        centres.add(cluster, vectors[number])
        members[cluster].append(number)
    return list(members.values())


def _settled(
    order: Sequence[int], vectors: Sequence[Vector], clusters: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Each moves to the cluster that it comes nearest to now."""
    centres, members = _Centres(), defaultdict[int, list[int]](list)
    for cluster in clusters:
        number = centres.new()
        for item in cluster:
            centres.add(number, vectors[item])
    for item in order:
        members[centres.nearest(vectors[item])[0]].append(item)
    return list(members.values())


# --- naming ---------------------------------------------------------------------------------------


def _topic(items: Sequence[_Item], vectors: Sequence[Vector], numbers: Sequence[int]) -> Topic:
    """Name what belongs together by the question that is most like all the others."""
    centre: Vector = defaultdict(float)
    for number in sorted(numbers):
        for word, weight in vectors[number].items():
            centre[word] += weight * len(items[number].gaps)

    def likeness(number: int) -> float:
        return sum(weight * centre[word] for word, weight in vectors[number].items())

    best = items[min(numbers, key=lambda number: (-likeness(number), items[number].key))]
    named = min(best.gaps, key=lambda gap: (len(gap.said), gap.said, gap.turn))
    gaps = [gap for number in numbers for gap in items[number].gaps]
    others = sorted((gap for gap in gaps if gap != named), key=lambda gap: (-gap.at, -gap.turn))
    return Topic(
        question=named.said,
        words=_words([items[number] for number in numbers], centre),
        gaps=(named, *others),
        people=len({gap.person for gap in gaps}),
        last_asked=max(gap.asked_at for gap in gaps),
        kinds={kind: count for kind in GapKind if (count := _counted(gaps, kind))},
    )


def _words(items: Sequence[_Item], centre: Mapping[str, float]) -> tuple[str, ...]:
    """The words that tell most about the items, as they are mostly written."""
    written: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        for term in item.terms:
            # Identifiers come without their signs, and a number alone tells nothing.
            if not term.everyday and not term.parts and not term.raw.isdecimal():
                written[term.word][term.raw] += len(item.gaps)
    telling = sorted(written, key=lambda word: (-centre.get(word, 0.0), word))
    return tuple(
        min(written[word], key=lambda raw: (-written[word][raw], raw))
        for word in telling[:NAMED_BY]
    )


def _counted(gaps: Iterable[Gap], kind: GapKind) -> int:
    return sum(kind in gap.kinds for gap in gaps)
