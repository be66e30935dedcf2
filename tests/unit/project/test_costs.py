"""docs/costs.md is what its arithmetic says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import costs

PAGE = Path(__file__).resolve().parents[3] / "docs" / "costs.md"


def test_page_is_what_the_arithmetic_says() -> None:
    """The table of the page is the one that tools/costs.py prints now."""
    assert costs.tables() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("markets", [10, 1000])
def test_every_line_is_what_it_says(markets: int) -> None:
    """Where a line is plain arithmetic, doing it gives its dollars."""
    plain = [line for line in [*costs.bill(markets), costs.mwaa()] if re.fullmatch(r"[0-9hx().,+; *]+", line.reckoned)]
    assert len(plain) >= 2
    for line in plain:
        sum_of = line.reckoned.replace(" h ", " ").replace("x", "*").replace(";", "+").replace(",", "")
        assert line.dollars == pytest.approx(eval(sum_of), abs=0.01)


def test_a_year_of_raw_grows_by_what_a_month_brings() -> None:
    """What is kept grows from month to month, and its oldest part is cheaper."""
    first, second = (
        next(line.dollars for line in costs.bill(1000, months) if line.part == "S3, kept") for months in (3, 6)
    )
    assert 0 < second - first < first


def test_reconciliation_is_the_page_s_figure() -> None:
    """The hourly look costs what the page says, and a look every three hours a third."""
    hours = costs.RECONCILE_MINUTES / 60 * costs.RPU
    month = hours * costs.DAYS * costs.PRICE["RPU hour"]
    assert f"{hours:.1f} RPU hours, ${month:.0f} a month" in PAGE.read_text(encoding="utf-8")
    assert f"${month / 3:.0f} |" in PAGE.read_text(encoding="utf-8")
