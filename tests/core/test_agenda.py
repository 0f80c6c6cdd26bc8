"""What is due when, and how looks at runs wait for their budget."""

from dataclasses import dataclass, field

from core.agenda import HELD_BACK, NEVER, Agenda
from core.pacing import RequestBudget

MANY = 2_000


@dataclass(eq=False)
class Turn:
    name: str
    is_look: bool = True
    entry: int = -1


@dataclass
class Looks:
    """Says what is a mere look, and how often it was asked."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, turn: Turn) -> bool:
        self.asked.append(turn.name)
        return turn.is_look


def agenda(looks: int, of: Looks | None = None) -> Agenda[Turn]:
    """One whose budget has so many looks, and no more for a long time."""
    return Agenda(RequestBudget(per_second=0.001, burst=looks), of or Looks())


def names(turns: list[Turn]) -> list[str]:
    return [turn.name for turn in turns]


def test_nothing_is_due_before_its_time() -> None:
    found = agenda(looks=9)
    assert not found
    assert found.wait == NEVER
    found.put(Turn("later"), 60.0)
    assert found
    assert found.take_due() == []
    assert 59.0 < found.wait <= 60.0


def test_what_is_due_first_comes_first_and_once() -> None:
    found = agenda(looks=9)
    for name, wait in (("second", -1.0), ("first", -2.0), ("third", 0.0)):
        found.put(Turn(name, is_look=False), wait)
    assert names(found.take_due()) == ["first", "second", "third"]
    assert found.take_due() == []


def test_only_what_was_put_down_last_counts() -> None:
    found, turn = agenda(looks=9), Turn("hurried")
    found.put(turn, 60.0)
    found.put(turn, 0.0)
    found.put(turn, 0.0)
    assert found.take_due() == [turn]
    assert found.take_due() == []


def test_looks_wait_for_the_budget_in_order_and_nothing_else_does() -> None:
    found = agenda(looks=2)
    turns = [Turn(f"look {number}") for number in range(4)]
    for turn in turns:
        found.put(turn, 0.0)
    found.put(Turn("reply", is_look=False), 0.0)
    assert sorted(names(found.take_due())) == ["look 0", "look 1", "reply"]
    assert found.take_due() == []
    assert 0.0 < found.wait <= HELD_BACK


def test_a_look_that_waits_and_is_hurried_is_done_once() -> None:
    found, turn = agenda(looks=1), Turn("waits")
    for one in (Turn("takes all"), turn):
        found.put(one, 0.0)
    assert names(found.take_due()) == ["takes all"]
    turn.is_look = False
    found.put(turn, 0.0)
    assert found.take_due() == [turn]
    assert found.take_due() == []


def test_what_is_no_mere_look_any_more_does_not_wait_for_those_before_it() -> None:
    found = agenda(looks=1)
    turns = [Turn(f"look {number}") for number in range(4)]
    for turn in turns:
        found.put(turn, 0.0)
    assert names(found.take_due()) == ["look 0"]
    turns[3].is_look = False  # its deadline has come
    found._sifted_at = float("-inf")  # it is looked for now and then
    assert names(found.take_due()) == ["look 3"]


def test_thousands_that_wait_cost_nothing() -> None:
    looks = Looks()
    found = agenda(looks=1, of=looks)
    for number in range(MANY):
        found.put(Turn(f"look {number}"), 0.0)
    assert len(found.take_due()) == 1
    looks.asked.clear()
    for _ in range(10):
        assert found.take_due() == []
    assert len(looks.asked) <= 10 + MANY  # once more all of them, where half a second went by
