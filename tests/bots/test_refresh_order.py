"""What buttons say, and which source is meant: no platform here."""

import pytest

from bots import refresh_order
from bots.refresh_order import (
    Order,
    Outcome,
    asked_by,
    carry_out,
    find_source,
    is_button,
    key_of,
    order_of,
)
from bots.refresh_text import KEPT, OTHERS, question
from core.documents import OnProgress, RefreshProgress, RefreshReport, removals_key

SOURCES = ["https://docs.example/", "handbook"]


def report(count: int, **changes: object) -> RefreshReport:
    given = {"added": (), "changed": (), "removed": (), "unchanged": 0, "failed": (), "seconds": 1}
    urls = [f"https://d.example/{number}" for number in range(count)]
    return RefreshReport(**(given | {"withheld": urls, "known": 20} | changes))  # type: ignore[arg-type]


class Asks:
    """A reception whose refreshes ask first."""

    def __init__(self, withheld: int) -> None:
        self.withheld = withheld

    async def refresh(
        self, platform: str, user: str, on_progress: OnProgress, **_: object
    ) -> RefreshReport:
        return report(self.withheld)


async def nobody(progress: RefreshProgress) -> None:
    """Nobody looks."""


async def asked(source: str | None, withheld: int = 7) -> Outcome:
    order = Order(platform="slack", user="U1", source=source)
    return await carry_out(Asks(withheld), order, nobody)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, "handbook", "https://docs.example/" + "x" * 500])
async def test_a_button_says_all_that_is_needed_in_as_little_as_any_platform_takes(
    source: str | None,
) -> None:
    remove, keep = (await asked(source)).buttons
    assert remove.dangerous
    assert not keep.dangerous
    sources = [*SOURCES, source] if source else SOURCES
    order = order_of(remove.id, "discord", "7", sources)
    shown = removals_key(report(7).withheld)
    assert order == Order(platform="discord", user="7", source=source, confirm=shown)
    assert order_of(keep.id, "discord", "7", sources) == Outcome(text=KEPT)
    assert all(is_button(one.id) and len(one.id) <= 100 for one in (remove, keep))


async def test_an_old_button_and_one_for_a_source_that_is_gone_order_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove = (await asked("handbook")).buttons[0]
    gone = order_of(remove.id, "slack", "U1", ["other"])
    assert gone == Outcome(text=refresh_order.CHANGED)
    shown = refresh_order._now()
    for age, is_order in ((24 * 3600 - 60, True), (24 * 3600 + 60, False)):
        monkeypatch.setattr(refresh_order, "_now", lambda age=age: shown + age)
        order = order_of(remove.id, "slack", "U1", SOURCES)
        assert isinstance(order, Order) is is_order


async def test_both_buttons_belong_to_one_question_and_those_about_other_pages_to_another() -> None:
    remove, keep = (await asked("handbook")).buttons
    assert asked_by(remove.id) == asked_by(keep.id)
    assert asked_by(remove.id) != asked_by((await asked("handbook", withheld=8)).buttons[0].id)


async def test_who_confirms_and_is_asked_again_hears_that_other_pages_are_gone() -> None:
    assert OTHERS not in (await asked(None)).text
    confirmed = Order(platform="slack", user="U1", confirm="0123456789abcdef")
    again = await carry_out(Asks(8), confirmed, nobody)  # type: ignore[arg-type]
    assert again.text.startswith(OTHERS)
    assert again.buttons[0].label == "Remove 8 pages"


@pytest.mark.parametrize(
    "text",
    ["", "refresh:remove", "refresh:remove:all:1", "refresh:remove:all:1:x", "ask:all:1", "x"],
)
def test_what_is_no_button_of_ours_orders_nothing(text: str) -> None:
    assert not is_button(text)
    assert isinstance(order_of(text, "slack", "U1", SOURCES), Outcome)


async def test_one_page_is_not_called_pages() -> None:
    assert (await asked(None, withheld=1)).buttons[0].label == "Remove 1 page"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", None),
        ("  ", None),
        ("handbook", "handbook"),
        ("HandBook", "handbook"),
        ("https://docs.example", "https://docs.example/"),
        (key_of("handbook"), "handbook"),
        ("hand", "hand"),
    ],
)
def test_a_source_is_found_by_its_name_and_what_is_unknown_stays_as_it_is(
    given: str, found: str | None
) -> None:
    assert find_source(given, SOURCES) == found


def test_a_question_fits_into_a_message_of_any_platform() -> None:
    long = "https://d.example/" + "x" * 900
    text = question(
        report(0, withheld=[long] * 20, failed=[(long, "y\n" * 900)] * 99, skipped=[(long, "")]),
        again=True,
    )
    assert len(text) <= 1_900
    assert "20 of 20 pages (100%)" in text
    assert "- … and 15 more" in text
    assert "- … and 95 more" in text
