"""What the transform makes of each value that an API sends."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from include.contract.listing import load_contract
from tests.support.adapter_files import zillow56
from tests.support.transform_code import PREFIX, clean, clean_rows, clean_under, fixture, row


def only(**values: Any) -> dict[str, Any]:
    """The one clean row that comes of a listing with these values."""
    cleaned = clean_rows(row(**values))
    assert [] == cleaned.rejects.to_pylist()
    (made,) = cleaned.listings.to_pylist()
    return made


def test_the_first_zillow56_listing_becomes_this_row() -> None:
    """Every column of a full listing is what a person reads off the payload."""
    first = json.loads(fixture("zillow56"))["results"][0]
    (made,) = clean_rows(first, served_at="2026-11-22T06:00:00Z").listings.to_pylist()
    assert {
        "source": "zillow56",
        "market": "houston-tx",
        "snapshot_date": date(2026, 11, 22),
        "zpid": 40000001,
        "home_type": "SINGLE_FAMILY",
        "home_status": "FOR_SALE",
        "price": Decimal("470000.00"),
        "price_change": Decimal("-5000.00"),
        "price_changed_at": datetime(2025, 11, 21, tzinfo=UTC),
        "zestimate": Decimal("465000.00"),
        "rent_zestimate": Decimal("2600.00"),
        "tax_assessed_value": Decimal("401250.50"),
        "bedrooms": Decimal("3.0"),
        "bathrooms": Decimal("2.5"),
        "living_area_sqft": Decimal("1850.00"),
        "lot_area_sqft": Decimal("10890.00"),
        "lot_area_unit": "acres",
        "year_built": None,
        "street_address": "12 Example Oak Ln",
        "unit": None,
        "city": "Houston",
        "state": "TX",
        "zipcode": "77001",
        "latitude": Decimal("29.750000"),
        "longitude": Decimal("-95.350000"),
        "days_on_market": 2,
        "listed_at": datetime(2026, 11, 20, 5, 0, tzinfo=UTC),
        "is_new_home": False,
        "is_open_house": True,
        "is_foreclosure": False,
        "is_auction": False,
        "oddities": None,
        "extract_id": "20261122T060003Z-1f3a9c",
        "observed_at": datetime(2026, 11, 22, 6, 0, 5, 123456, tzinfo=UTC),
        "raw_key": f"{PREFIX}page-0001.json",
        "raw_position": 0,
        "sold_at": None,
    } == made


def test_zillow_com4_nested_values_become_the_same_columns() -> None:
    """The nested family fills the contract's columns as the flat one does."""
    first, second = clean((fixture("zillow-com4"), 3), source="zillow-com4").listings.to_pylist()
    assert {
        "zpid": 50000001,
        "home_type": "TOWNHOUSE",
        "home_status": "FOR_SALE",
        "price": Decimal("325000.00"),
        "price_change": Decimal("-10000.00"),
        "zestimate": Decimal("331000.00"),
        "lot_area_sqft": Decimal("2500.00"),
        "lot_area_unit": "squareFeet",
        "year_built": 1998,
        "city": "Coolidge",
        "days_on_market": 12,
        "listed_at": datetime(2025, 11, 10, 7, 0, tzinfo=UTC),
        "is_open_house": True,
        "is_new_home": False,
        "raw_position": 0,
    }.items() <= first.items()
    assert {
        "home_type": "LOT",
        "year_built": None,
        "zestimate": None,
        "days_on_market": 0,
        "is_new_home": True,
        "lot_area_sqft": Decimal("65340.00"),
        "oddities": "plot",
    }.items() <= second.items()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (470000.0, "470000.00"),
        (634500, "634500.00"),
        ("634500", "634500.00"),
        (0.1, "0.10"),
        (2.675, "2.68"),
        (2.665, "2.66"),
        (1.005, "1.00"),
        (1.015, "1.02"),
        (999999999.995, "1000000000.00"),
        (1000000000, "1000000000.00"),
        (-0.0, "0.00"),
    ],
)
def test_money_is_exact_and_rounds_half_to_even(sent: object, kept: str) -> None:
    """The decimal sent, not its binary neighbour, decides how it is rounded."""
    assert Decimal(kept) == only(price=sent)["price"]


@pytest.mark.parametrize(
    ("acres", "square_feet"),
    [
        (0.2692, "11726.35"),  # 11726.352
        (0.000125, "5.44"),  # 5.445, a tie: to the even digit
        (0.000375, "16.34"),  # 16.335, a tie: to the even digit
        (0.2964876033057851, "12915.00"),  # 12914.999999999998956
        (1682666415.559, "73296949061750.04"),  # 16 digits, where a product of floats ends in 5
    ],
)
def test_acres_become_square_feet_exactly(acres: float, square_feet: str) -> None:
    """An acre is 43,560 square feet, multiplied in decimal."""
    assert Decimal(square_feet) == only(lotAreaValue=acres, lotAreaUnit="acres")["lot_area_sqft"]


@pytest.mark.parametrize("unit", ["acres", "Acres", " ACRES "])
def test_a_unit_is_known_however_it_is_spelled(unit: str) -> None:
    """Half an acre is 21,780 square feet; a listing is no reject for a capital letter or a blank."""
    assert Decimal("21780.00") == only(lotAreaValue=0.5, lotAreaUnit=unit)["lot_area_sqft"]


@pytest.mark.parametrize(("sent", "square_feet"), [(50, "538.20"), (51, "548.96"), (0.05, "0.54")])
def test_a_unit_may_be_no_whole_number_of_square_feet(sent: float, square_feet: str) -> None:
    """538.195, 548.9589 and 0.538195, multiplied in decimal: a square metre is 10.7639 square feet."""
    document = zillow56()
    document["columns"]["lot_area_sqft"]["units"] = {"sqm": 10.7639}
    (made,) = clean_under(document, [row(lotAreaValue=sent, lotAreaUnit="sqm")]).listings.to_pylist()
    assert Decimal(square_feet) == made["lot_area_sqft"]


def test_coordinates_keep_six_digits() -> None:
    """Latitude and longitude are rounded to the sixth digit."""
    made = only(latitude=29.9324825, longitude=-95.6088149)
    assert (Decimal("29.932482"), Decimal("-95.608815")) == (made["latitude"], made["longitude"])


@pytest.mark.parametrize("sent", [28514794, "28514794", 28514794.0])
def test_a_zpid_may_be_sent_as_text(sent: object) -> None:
    """A zpid is the same number however a family writes it."""
    assert 28514794 == only(zpid=sent)["zpid"]


@pytest.mark.parametrize(
    ("values", "days"),
    [
        ({"daysOnZillow": -1}, None),
        ({"daysOnZillow": 0}, 0),
        ({"daysOnZillow": 10}, 10),
        ({"daysOnZillow": -1, "timeOnZillow": 86_399_999}, 0),
        ({"daysOnZillow": -1, "timeOnZillow": 86_400_000}, 1),
        ({"daysOnZillow": 10, "timeOnZillow": 172_800_000}, 2),
        ({"daysOnZillow": -7, "timeOnZillow": 172_800_000}, 2),
        ({"daysOnZillow": "long", "timeOnZillow": 172_800_000}, 2),
        ({}, None),
    ],
)
def test_days_on_market_come_from_the_duration_where_there_is_one(values: dict[str, Any], days: int | None) -> None:
    """-1 means unknown, and timeOnZillow, a duration in ms, is better than daysOnZillow, which may be wrong then."""
    assert days == only(**values)["days_on_market"]


def test_an_age_counts_back_from_when_the_page_was_served() -> None:
    """listed_at is served_at less the age, or received_at where the API did not date its page, or by a wrong clock."""
    day = 86_400_000
    served, by_a_proxy = (
        clean_rows(row(timeOnZillow=day), served_at=moment).listings["listed_at"][0].as_py()
        for moment in ("2026-11-22T00:00:00Z", "1970-01-01T00:00:00Z")
    )
    assert datetime(2026, 11, 21, tzinfo=UTC) == served
    received = datetime(2026, 11, 21, 6, 0, 5, 123456, tzinfo=UTC)
    assert [received] * 2 == [only(timeOnZillow=day)["listed_at"], by_a_proxy]


def test_a_zip_code_keeps_its_leading_zero() -> None:
    """A zip code is text."""
    assert "02118" == only(zipcode="02118")["zipcode"]


@pytest.mark.parametrize("sent", ["77002 ", " 77002", "\t77002\n", "77002"])
def test_a_text_has_no_blanks_around_it(sent: str) -> None:
    """One ZIP code is one group, however it was typed."""
    made = only(zipcode=sent, city=f" {sent}")
    assert ("77002", "77002") == (made["zipcode"], made["city"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"homeType": "CONDO", "bathrooms": 0}, (None, None, None)),
        ({"bathrooms": "0"}, (None, None, None)),
        ({"homeType": "YURT", "bathrooms": 0.0, "livingArea": 0.0}, (None, None, None)),
        ({"homeType": "LOT", "bathrooms": 0, "livingArea": 0}, (Decimal("0.0"), None, None)),
        ({"homeType": "LOT", "lotAreaValue": 0.0, "lotAreaUnit": "acres"}, (None, None, None)),
        ({"homeType": "CONDO", "lotAreaValue": 0}, (None, None, None)),
        (
            {"homeType": "CONDO", "bathrooms": 0.5, "livingArea": 1, "lotAreaValue": 2, "lotAreaUnit": "sqft"},
            (Decimal("0.5"), Decimal("1.00"), Decimal("2.00")),
        ),
    ],
)
def test_an_area_of_0_and_a_home_without_a_bathroom_are_unknown(
    values: dict[str, Any], expected: tuple[Decimal | None, ...]
) -> None:
    """0 stands for what the API does not know; a plot, of which home_type LOT tells, has no bathroom."""
    made = only(**values)
    assert expected == (made["bathrooms"], made["living_area_sqft"], made["lot_area_sqft"])


@pytest.mark.parametrize(
    ("values", "is_flagged"),
    [
        ({"lotAreaValue": 11_325, "lotAreaUnit": "acres"}, True),
        ({"homeType": "SINGLE_FAMILY", "lotAreaValue": 5_196, "lotAreaUnit": "acres"}, True),
        ({"homeType": "SINGLE_FAMILY", "lotAreaValue": 44_000_000, "lotAreaUnit": "sqft"}, True),
        ({"homeType": "SINGLE_FAMILY", "lotAreaValue": 999, "lotAreaUnit": "acres"}, False),
        ({"homeType": "SINGLE_FAMILY", "lotAreaValue": 11_325, "lotAreaUnit": "sqft"}, False),
        ({"homeType": "LOT", "lotAreaValue": 11_325, "lotAreaUnit": "acres"}, False),
    ],
)
def test_a_home_on_1000_acres_is_flagged(values: dict[str, Any], is_flagged: bool) -> None:
    """Square feet sent as acres stand out under a home; a plot may be of any size."""
    assert is_flagged is ("huge_lot" in (only(**values)["oddities"] or "").split(","))


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_text_is_no_value(blank: str | None) -> None:
    """An empty text says nothing, as an absent one."""
    assert only(city=blank)["city"] is None


def test_null_stands_for_absent_in_any_place() -> None:
    """A family that sends null, also for a whole object, loses nothing by it."""
    made = only(listing_sub_type=None, bedrooms=None, lotAreaValue=None, lotAreaUnit=None)
    assert (False, None, None) == (made["is_open_house"], made["bedrooms"], made["lot_area_sqft"])


@pytest.mark.parametrize(
    ("values", "oddities"),
    [
        ({"price": 0.0, "priceSuffix": "+"}, "no_coordinates,price_suffix,price_zero"),
        ({"price": 1900.0, "homeStatus": "FOR_SALE", "latitude": 1, "longitude": 1}, "rent_like_price"),
        ({"price": 9999.99, "homeStatus": "FOR_RENT", "latitude": 1, "longitude": 1}, None),
        ({"price": 1900.0, "homeStatus": "FOR_SALE", "homeType": "LOT", "latitude": 1, "longitude": 1}, "plot"),
        ({"price": 10000, "homeStatus": "FOR_SALE", "latitude": 1, "longitude": 1}, None),
        ({"homeType": "YURT", "latitude": 1, "longitude": 1}, "home_type_unknown"),
        ({"homeType": "LOT", "latitude": 1, "longitude": 1}, "plot"),
        ({"homeStatus": "ASLEEP", "latitude": 1}, "home_status_unknown,no_coordinates"),
    ],
)
def test_what_is_odd_is_kept_and_flagged(values: dict[str, Any], oddities: str | None) -> None:
    """A strange listing that breaks no rule stays, with a flag for each strangeness."""
    assert oddities == only(**values)["oddities"]


def test_a_type_that_the_adapter_does_not_know_becomes_other() -> None:
    """No value outside the contract's vocabulary reaches the warehouse."""
    assert "OTHER" == only(homeType="YURT")["home_type"]


@pytest.mark.parametrize("table", ["listing", "reject"])
def test_tables_have_the_contract_s_schema(table: str) -> None:
    """Names, order, types and nullability of both outputs are the contract's."""
    cleaned = clean((fixture("zillow56"), 6))
    made: pa.Table = {"listing": cleaned.listings, "reject": cleaned.rejects}[table]
    assert load_contract().arrow_schema(table) == made.schema
