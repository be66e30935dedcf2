"""The report recomputed from raw pages is right: a dozen listings whose figures were worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from include.report.model import Market, Measure
from tests.proofs.recount.raw_report import RawSet, half_up, quantile, report_of

HOUR = 3_600_000
# 2026-11-21T18:30:00Z, and the day before it, in milliseconds.
CHANGED, LONG_AGO = 1_795_285_800_000, 1_795_113_000_000


def row(zpid: Any, price: Any = 100_000.0, **more: Any) -> dict[str, Any]:
    """A house for sale with nothing else known; what is None is absent, as zillow56 sends it."""
    sent = {"zpid": zpid, "price": price, "homeType": "SINGLE_FAMILY", "homeStatus": "FOR_SALE", "zipcode": "77002"}
    return {name: value for name, value in (sent | more).items() if value is not None}


def day(
    date: int,
    *pages: list[Any],
    market: str = "waco-tx",
    claimed: int | None = None,
    more_pages: int = 0,
    minute: int = 0,
    run: str = "a",
) -> RawSet:
    """A set of November 2026 served from 06:00 on, a minute a page; claimed: else what the pages hold.

    `more_pages` are those that the API claims and that were not asked for.
    """
    at = datetime(2026, 11, date, 6, minute, tzinfo=UTC)
    total = sum(len(page) for page in pages) if claimed is None else claimed
    return RawSet(
        market=market,
        name="Waco, TX",
        date=at.date().isoformat(),
        extract_id=f"{at:%Y%m%dT%H%M%SZ}-{run}",
        observed_at=at,
        pages=[{"results": page, "totalPages": len(pages) + more_pages, "totalResultCount": total} for page in pages],
        served_at=[at + timedelta(minutes=number) for number in range(len(pages))],
    )


def market_of(*sets: RawSet, date: int = 22, market: str = "waco-tx") -> Market:
    """The market as the report of that date in November says."""
    found = {each["market"]: each for each in report_of(sets, f"2026-11-{date}")["markets"]}
    return found[market]


def measured(count: int, p25: float | None, median: float | None, p75: float | None) -> Measure:
    return {"count": count, "p25": p25, "median": median, "p75": p75}


DOZEN = day(
    22,
    [
        row(1, 100_000.0, livingArea=1_000.0, zestimate=125_000, rentZestimate=1_000, timeOnZillow=30 * HOUR),
        row(2, 200_000.0, livingArea=1_500.0, zestimate=200_000, rentZestimate=1_500, daysOnZillow=7),
        row(3, 300_001.0, livingArea=1_999.0, zestimate=290_000, priceChange=-10_000, datePriceChanged=CHANGED),
        row(4, 400_000.0, livingArea=0.0, zestimate=0, rentZestimate=0, daysOnZillow=-1, priceChange=5_000),
        row(5, 0.0, homeType="LOT", livingArea=900.0, priceChange=-1),
        row(6, 1_900.0),
    ],
    [
        row(7, 5_000.0, homeType="LOT", zipcode=None, latitude=31.5, longitude=-97.1),
        row(8, 9_000.0, homeStatus="PENDING", zipcode="76701"),
        row(9, "$634,500"),
        row(10, None),
        row(11, "150000", bedrooms="--"),
        row("2", 210_000.0, livingArea=1_500.0, zestimate=200_000, rentZestimate=1_500, daysOnZillow=8),
    ],
    more_pages=1,
)


def test_the_day_of_a_dozen_listings() -> None:
    """Counts, quartiles, shares and coverage of a first day."""
    [found] = market_of(DOZEN)["days"]
    # Measured: 1, 2 (as the second page has it), 3, 4 and 8 at 9,000, 100,000, 210,000, 300,001, 400,000.
    assert {
        "date": "2026-11-22",
        "previous_date": None,
        "active": 8,
        "measured": 5,
        "excluded_price_zero": 1,
        "excluded_rent_like": 1,
        "excluded_plot": 1,
        "price": measured(5, 100_000.0, 210_000.0, 300_001.0),
        # 100, 140, 300001 / 1999 = 150.0755
        "price_sqft": measured(3, 120.0, 140.0, 145.04),
        # 0.12, 18000 / 210000 = 0.085714
        "rent_yield": measured(2, 0.094286, 0.102857, 0.111429),
        # 30 hours, 8 days
        "days_on_market": measured(2, 2.75, 4.5, 6.25),
        # -20, 5, 10001 / 2900 = 3.4486
        "zestimate_gap": measured(3, -8.28, 3.45, 4.22),
        "price_cut_share": 0.2,
        "under_zestimate": 1,
        "over_zestimate": 2,
        "first_seen": 8,
        "last_seen": 8,
        "new": None,
        "gone": None,
        "back": None,
        "coverage": {
            "seen": 11,
            "not_listings": 0,
            "claimed": 12,
            "share": 0.916667,
            "is_complete": False,
            "pages_read": 2,
            "pages_claimed": 3,
        },
    } == found


def test_where_a_dozen_listings_went() -> None:
    """Repeated and rejected rows are counted, by reason, and the last of a repeated listing is the one that stays."""
    found = market_of(DOZEN)
    assert {
        "on_pages": 12,
        "clean": 8,
        "rejected": 3,
        "duplicates": 1,
        "not_listings": 0,
        "unreadable": 0,
        "loaded": 8,
        "reasons": {"bedrooms_invalid": 1, "price_invalid": 1, "price_missing": 1},
    } == found["funnel"]
    assert {
        "zpid": [1, 2, 3, 4, 5, 6, 7, 8],
        "latitude": [None] * 6 + [31.5, None],
        "longitude": [None] * 6 + [-97.1, None],
        "price": [100_000.0, 210_000.0, 300_001.0, 400_000.0, 0.0, 1_900.0, 5_000.0, 9_000.0],
        "price_sqft": [100.0, 140.0, 150.08, None, 0.0, None, None, None],
        "home_type": ["SINGLE_FAMILY"] * 4 + ["LOT", "SINGLE_FAMILY", "LOT", "SINGLE_FAMILY"],
        "odd": [None, None, None, None, "price_zero", "rent_like_price", "plot", None],
    } == found["listings"]


def test_the_zip_codes_of_a_dozen_listings() -> None:
    """Each ZIP code has figures of its own, the one with most listings first; no code is `unknown`."""
    most, other, unknown = market_of(DOZEN)["zips"]
    assert ("77002", 6, 4, 0.25) == tuple(most[name] for name in ("zipcode", "active", "measured", "price_cut_share"))
    # 100,000, 210,000, 300,001, 400,000
    assert measured(4, 182_500.0, 255_000.5, 325_000.75) == most["price"]
    assert ("76701", 1, 1, 0.0) == tuple(other[name] for name in ("zipcode", "active", "measured", "price_cut_share"))
    assert ("unknown", 1, 0, None) == tuple(
        unknown[name] for name in ("zipcode", "active", "measured", "price_cut_share")
    )
    assert measured(0, None, None, None) == unknown["price"]


def test_the_lists_of_a_first_day() -> None:
    """Bargains are below the estimate; cuts are those stated since the day before, new is what was listed since."""
    old = row(20, 90_000.0, priceChange=-10_000, datePriceChanged=LONG_AGO, timeOnZillow=31 * HOUR)
    young = row(21, 80_000.0, timeOnZillow=30 * HOUR, bedrooms=3.0, bathrooms=2.5, livingArea=1_200.0)
    found = market_of(DOZEN, day(22, [old, young], market="bryan-tx"))
    assert [(1, 100_000.0, 125_000.0, -20.0)] == [
        (each["zpid"], each["price"], each["zestimate"], each["percent"]) for each in found["bargains"]
    ]
    assert [
        {
            "zpid": 3,
            "address": None,
            "city": None,
            "zipcode": "77002",
            "home_type": "SINGLE_FAMILY",
            "before": 310_001.0,
            "after": 300_001.0,
            "percent": 3.23,
            "changed_at": "2026-11-21T18:30:00Z",
            "known_by": "stated",
        }
    ] == found["price_cuts"]
    # Served at 06:00, 30 hours before is midnight of the 21st: just within the day before.
    assert [(1, "2026-11-21T00:00:00Z", "listed")] == [
        (each["zpid"], each["listed_at"], each["why"]) for each in found["new_listings"]
    ]
    other = market_of(DOZEN, day(22, [old, young], market="bryan-tx"), market="bryan-tx")
    assert [] == other["price_cuts"]
    assert [
        {
            "zpid": 21,
            "address": None,
            "city": None,
            "zipcode": "77002",
            "home_type": "SINGLE_FAMILY",
            "bedrooms": 3.0,
            "bathrooms": 2.5,
            "living_area_sqft": 1_200.0,
            "price": 80_000.0,
            "price_sqft": 66.67,
            "listed_at": "2026-11-21T00:00:00Z",
            "why": "listed",
        }
    ] == other["new_listings"]


def test_what_is_new_gone_and_back() -> None:
    """A rejected listing is neither gone nor new nor back; who was listed before and comes again is back."""
    sets = [
        day(20, [row(1), row(2), row(3), row(4)]),
        day(21, [row(1), row(3, "?"), row(5)]),
        day(22, [row(2), row(3), row(5), row(6, 300_000.0), row(7)]),
    ]
    last = market_of(*sets)
    moves = [(each["new"], each["gone"], each["back"]) for each in last["days"]]
    # 21st: 2 and 4 are gone, 3 is there; 22nd: 1 is gone, 6 and 7 are new, 2 is back, 3 was there all the time.
    assert [(None, None, None), (1, 2, 0), (2, 1, 1)] == moves
    assert [(6, "new"), (2, "back"), (7, "new")] == [(each["zpid"], each["why"]) for each in last["new_listings"]]
    assert [(4, 1), (1, 1), (2, 5)] == [(each["first_seen"], each["last_seen"]) for each in last["days"]]
    assert [(4, 1), (1, 1)] == [
        (each["first_seen"], each["last_seen"]) for each in market_of(*sets, date=21)["days"]
    ], "last seen is judged over all that is loaded"


def test_an_incomplete_day_says_nothing_of_what_left() -> None:
    """Neither it nor the day after it has new, gone and back; what is seen there for the first time is listed so."""
    sets = [day(20, [row(1), row(2)]), day(21, [row(1), row(3)], claimed=3), day(22, [row(1), row(4)], claimed=1)]
    assert [(None, None, None)] * 3 == [(each["new"], each["gone"], each["back"]) for each in market_of(*sets)["days"]]
    assert [(1.0, True), (0.666667, False), (2.0, True)] == [
        (each["coverage"]["share"], each["coverage"]["is_complete"]) for each in market_of(*sets)["days"]
    ]
    assert [(3, "first_seen")] == [(each["zpid"], each["why"]) for each in market_of(*sets, date=21)["new_listings"]]


def test_price_cuts_are_seen_over_all_markets() -> None:
    """A listing in two markets has, each day, the price of its newest observation, also as the price before."""
    sets = [
        day(20, [row(1, 200_000.0), row(2, 100_000.0), row(3, 12_000.0), row(4, 90_000.0)], minute=1),
        day(20, [row(1, 190_000.0)], market="bryan-tx"),
        day(22, [row(1, 180_000.0), row(2, 100_001.0), row(3, 9_000.0), row(4, 0.0)]),
        day(22, [row(1, 170_000.0)], market="bryan-tx", minute=1),
    ]
    for market in ("waco-tx", "bryan-tx"):
        assert [(1, 200_000.0, 170_000.0, 15.0, "observed")] == [
            (cut["zpid"], cut["before"], cut["after"], cut["percent"], cut["known_by"])
            for cut in market_of(*sets, market=market)["price_cuts"]
        ]


def test_markets_seen_at_the_same_instant_are_told_apart_by_name() -> None:
    """Of one extraction the first market by name holds the listing, of two the later one by its id."""
    before = day(21, [row(1, 200_000.0)])
    here, there = day(22, [row(1, 180_000.0)]), day(22, [row(1, 170_000.0)], market="bryan-tx")
    assert [170_000.0] == [cut["after"] for cut in market_of(before, here, there)["price_cuts"]]
    later = day(22, [row(1, 180_000.0)], run="b")
    assert [180_000.0] == [cut["after"] for cut in market_of(before, later, there)["price_cuts"]]


def test_the_newest_extraction_holds_the_day() -> None:
    """Nothing of an earlier extraction of the same date is counted, nor what it rejected."""
    found = market_of(day(22, [row(2), row(3, "?")], minute=5), day(22, [row(1, 90_000.0)]), date=23)
    assert ["2026-11-22"] == [each["date"] for each in found["days"]]
    assert ([2], {"price_invalid": 1}) == (found["listings"]["zpid"], found["funnel"]["reasons"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([100.0, 100.0], [125.0, 125.0], []),
        ([100.0, 100.0], [125.01, 125.01], [("price_median", 100_000.0, 125_010.0, 0.2501)]),
        ([100.0, 100.0], [74.0, 74.0], [("price_median", 100_000.0, 74_000.0, -0.26)]),
        ([100.0, 100.0], [100.0], []),
        ([100.0] * 3, [100.0], [("active", 3.0, 1.0, -0.666667)]),
        ([100.0, 100.0], [100.0] * 3, []),
        ([100.0], [200.0] * 2, [("active", 1.0, 2.0, 1.0), ("price_median", 100_000.0, 200_000.0, 1.0)]),
        ([], [100.0], []),
        ([100.0], [], [("active", 1.0, 0.0, -1.0)]),
    ],
)
def test_jumps(before: list[float], after: list[float], expected: list[tuple[Any, ...]]) -> None:
    """More than a quarter of the median or half of the listings is a jump; from nothing there is none."""
    days = [
        day(date, [row(1 + zpid, price * 1000) for zpid, price in enumerate(prices)])
        for date, prices in ((20, before), (22, after))
    ]
    assert [("2026-11-22", "2026-11-20", *each) for each in expected] == [
        tuple(jump[name] for name in ("date", "previous_date", "measure", "before", "after", "change_share"))
        for jump in market_of(*days)["jumps"]
    ]


def test_a_report_of_an_earlier_date() -> None:
    """It has the markets that were observed by then, each as of its newest day; a market without listings too."""
    sets = [DOZEN, day(20, [], market="bryan-tx"), day(23, [row(1)], market="dallas-tx")]
    report = report_of(sets, "2026-11-22", 7)
    assert ("2026-11-22", 7) == (report["date"], report["build_number"])
    assert [("bryan-tx", "2026-11-20"), ("waco-tx", "2026-11-22")] == [
        (each["market"], each["days"][-1]["date"]) for each in report["markets"]
    ]
    [empty] = report["markets"][0]["days"]
    assert (0, 0, 1.0, False) == (
        empty["active"],
        empty["measured"],
        empty["coverage"]["share"],
        empty["coverage"]["is_complete"],
    )


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"zpid": None}, "zpid_missing"),
        ({"zpid": "12a"}, "zpid_invalid"),
        ({"zpid": 0}, "zpid_out_of_range"),
        ({"zpid": "12a", "price": None}, "zpid_invalid"),
        ({"price": None, "bedrooms": "--"}, "bedrooms_invalid"),  # what cannot be typed comes before what is missing
        ({"price": True}, "price_invalid"),
        ({"price": -1.0}, "price_out_of_range"),
        ({"price": 1e9 + 1}, "price_out_of_range"),
        ({"latitude": 91.0}, "latitude_out_of_range"),
        ({"lotAreaValue": 2.0, "lotAreaUnit": "ares"}, "lot_area_sqft_invalid"),
        ({"zipcode": 77002}, "zipcode_invalid"),
        ({"streetAddress": "é" * 257}, "street_address_too_long"),
        ({"timeOnZillow": -1}, "days_on_market_out_of_range"),
        ({"listing_sub_type": {"is_openHouse": 5}}, "is_open_house_invalid"),
    ],
)
def test_why_a_row_is_rejected(sent: dict[str, Any], reason: str) -> None:
    """The reason names the first column in the contract's order, and what is wrong with it."""
    assert {reason: 1} == market_of(day(22, [row(1) | sent]))["funnel"]["reasons"]


def test_a_row_that_is_no_object_is_rejected() -> None:
    """So is text or nothing in the place of a listing."""
    assert {"row_invalid": 2} == market_of(day(22, [None, "listing"]))["funnel"]["reasons"]


def test_halves_are_rounded_away_from_zero() -> None:
    """As money is, on either side of zero; and exactly, also where a float is not."""
    assert [Decimal("2.68"), Decimal("-2.68"), Decimal("0.13"), Decimal("-0.00")] == [
        half_up(Fraction(text), 2) for text in ("2.675", "-2.675", "0.125", "-0.004")
    ]


def test_quantiles_lie_between_the_two_middle_values() -> None:
    """Of four values the first quarter is three quarters of the way from the first to the second."""
    assert [Fraction(7, 4), Fraction(5, 2), Fraction(13, 4)] == [
        quantile([4, 2, 1, 3], Fraction(quarter, 4)) for quarter in (1, 2, 3)
    ]
