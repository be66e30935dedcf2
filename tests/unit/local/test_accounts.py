"""The accounts of the demo: which sums are differences, and what is said of a set whose day another holds."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from local.commands.accounts import Line, show

NEWER = "zillow56/houston-tx/2026-11-20/newer"


def line(**changed: Any) -> Line:
    """A set whose counts add up, but for what is changed: 10 = 7 clean + 2 rejected + 1 repeated."""
    given: dict[str, Any] = {
        "date": "2026-11-20",
        "market": "houston-tx",
        "pages": 2,
        "filled": 2,
        "pages_claimed": 2,
        "on_pages": 10,
        "clean": 7,
        "duplicates": 1,
        "unreadable": 0,
        "warehouse": 7,
        "reasons": {"price_missing": 2},
    }
    return Line(**given | changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        (
            {"on_pages": 11},
            ["11 listings on the pages, but clean 7 + rejected 2 + duplicates 1 + buildings 0 + unreadable 0 = 10"],
        ),
        ({"on_pages": 13, "not_listings": 3}, []),
        (
            {"not_listings": 3},
            ["10 listings on the pages, but clean 7 + rejected 2 + duplicates 1 + buildings 3 + unreadable 0 = 13"],
        ),
        ({"warehouse": 6}, ["7 clean, but 6 in the warehouse"]),
        ({"warehouse": 0, "superseded": 7, "superseded_by": NEWER}, []),
        (
            {"warehouse": 1, "superseded": 7, "superseded_by": NEWER},
            ["7 clean, but 1 in the warehouse and 7 superseded"],
        ),
        ({"warehouse": 0}, ["7 clean, but 0 in the warehouse"]),
    ],
)
def test_what_does_not_add_up_is_said(changed: dict[str, Any], words: list[str]) -> None:
    """Clean listings are in the warehouse, or superseded by a set that is named, and never both or neither."""
    assert [f"houston-tx 2026-11-20: {each}" for each in words] == line(**changed).differences()


def test_a_day_that_another_set_holds_names_it() -> None:
    """Below the table stands which set the warehouse has for a day that was extracted again, of no other day."""
    text = io.StringIO()
    again = line(market="austin-tx", warehouse=0, superseded=7, superseded_by=NEWER)
    show([line(), again], Console(file=text, width=120))

    [told] = [each for each in text.getvalue().splitlines() if "extracted again since" in each]
    assert told.startswith("austin-tx 2026-11-20: ")
    assert told.endswith(NEWER)


def test_buildings_have_a_column_where_there_are_any() -> None:
    """Of a search for sale the table has none; with a market that shows buildings it counts them, and in the sum."""
    shown = []
    for lines in ([line()], [line(), line(market="austin-tx-rent", on_pages=13, not_listings=3)]):
        text = io.StringIO()
        show(lines, Console(file=text, width=160))
        shown.append(text.getvalue().splitlines())
    assert "buildings" not in "".join(shown[0])
    assert "listings = clean + rejected + repeated + buildings + unreadable, loaded = clean" in shown[1][0]
    together = next(each.split() for each in shown[1] if "together" in each)
    assert ["together", "4", "23", "14", "4", "2", "3", "0", "14"] == together
