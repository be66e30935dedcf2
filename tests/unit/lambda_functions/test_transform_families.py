"""What the transform makes of the families that nest, wrap or join what zillow56 sends flat."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.contract.families import known_sources
from tests.support.transform_code import clean, clean_rows, fixture

PARTS = ("street_address", "city", "state", "zipcode")


def com1(**values: Any) -> dict[str, Any]:
    """The one clean row that comes of a zillow-com1 listing with these values."""
    cleaned = clean_rows({"zpid": "1", "price": 5, **values}, source="zillow-com1")
    assert [] == cleaned.rejects.to_pylist()
    (made,) = cleaned.listings.to_pylist()
    return made


def row_of(source: str, flags: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """A listing of any family with no more than it needs, these flags of its subtype, and these values at its top."""
    if source == "zillow56":
        return {"zpid": 1, "price": 5, "listing_sub_type": flags, **values}
    if source == "zillow-com1":
        return {"zpid": "1", "price": 5, "listingSubType": flags, **values}
    nested = {"zpid": 1, "price": {"value": 5}, "listing": {"listingSubType": flags}, **values}
    return {"resultType": "property", "property": nested} if source == "zillow-working-api" else nested


@pytest.mark.parametrize("source", known_sources())
def test_both_flags_tell_a_foreclosure(source: str) -> None:
    """A home that a bank owns and one in foreclosure are both told, also where the other flag is false."""
    is_flat = source in ("zillow56", "zillow-com1")
    owned, closed = ("is_bankOwned", "is_foreclosure") if is_flat else ("isBankOwned", "isForeclosure")
    sent: list[dict[str, Any]] = [
        {closed: True},
        {owned: True},
        {owned: False, closed: True},
        {owned: True, closed: False},
        {owned: False, closed: False},
        {},
    ]
    cleaned = [clean_rows(row_of(source, flags), source=source) for flags in sent]
    assert [[True]] * 4 + [[False]] * 2 == [each.listings["is_foreclosure"].to_pylist() for each in cleaned]
    assert [{}] * 6 == [each.unknown_fields for each in cleaned]


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("zillow56", {"homeStatus": "PRE_FORECLOSURE"}),
        ("zillow-com1", {"listingStatus": "PRE_FORECLOSURE"}),
        ("zillow-com4", {"listing": {"listingStatus": "preForeclosure"}}),
        ("zillow-working-api", {"listing": {"listingStatus": "preForeclosure"}}),
    ],
)
def test_before_a_foreclosure_the_status_tells(source: str, values: dict[str, Any]) -> None:
    """A home about to be foreclosed is not foreclosed: its status says what is coming."""
    (made,) = clean_rows(row_of(source, **values), source=source).listings.to_pylist()
    assert ("PRE_FORECLOSURE", False) == (made["home_status"], made["is_foreclosure"])


@pytest.mark.parametrize("source", known_sources())
@pytest.mark.parametrize("words", ["(undisclosed Address)", "(Undisclosed Address)", " (UNDISCLOSED address) "])
def test_an_undisclosed_address_is_no_street(source: str, words: str) -> None:
    """Words that stand for an address are no address; the place beside them is kept."""
    sent: dict[str, Any] = {
        "zillow56": {"streetAddress": words, "city": "Bakersfield"},
        "zillow-com1": {"address": f"{words}, Bakersfield, CA 93305"},
    }.get(source, {"address": {"streetAddress": words, "city": "Bakersfield"}})
    (made,) = clean_rows(row_of(source, **sent), source=source).listings.to_pylist()
    assert (None, "Bakersfield") == (made["street_address"], made["city"])


@pytest.mark.parametrize("source", known_sources())
@pytest.mark.parametrize(
    ("sent", "sold_at"),
    [
        (1_780_459_200_000, datetime(2026, 6, 3, 4, tzinfo=UTC)),
        (-152_668_800_000, datetime(1965, 3, 1, tzinfo=UTC)),
        (0, None),
        (None, None),
    ],
)
def test_the_date_of_a_sale_is_kept(source: str, sent: int | None, sold_at: datetime | None) -> None:
    """Milliseconds since 1970, before it for a house that was sold earlier; 0 and null say nothing."""
    cleaned = clean_rows(row_of(source, dateSold=sent), source=source)
    assert [sold_at] == cleaned.listings["sold_at"].to_pylist()


def test_the_first_zillow_com1_listing_becomes_this_row() -> None:
    """A zpid as text, nulls and an address in one text fill the contract's columns."""
    cleaned = clean((fixture("zillow-com1"), 5), source="zillow-com1")
    assert {
        "source": "zillow-com1",
        "zpid": 60000001,
        "home_type": "SINGLE_FAMILY",
        "home_status": "FOR_SALE",
        "price": Decimal("1250000.00"),
        "price_change": Decimal("-25000.00"),
        "price_changed_at": datetime(2025, 11, 21, tzinfo=UTC),
        "zestimate": Decimal("1240000.00"),
        "rent_zestimate": Decimal("5400.00"),
        "tax_assessed_value": None,
        "bedrooms": Decimal("4.0"),
        "bathrooms": Decimal("3.0"),
        "living_area_sqft": Decimal("2240.00"),
        "lot_area_sqft": Decimal("6185.52"),
        "lot_area_unit": "sqft",
        "street_address": "14 Example Grove Ave",
        "city": "Los Angeles",
        "state": "CA",
        "zipcode": "90001",
        "days_on_market": 12,
        "listed_at": None,
        "is_open_house": True,
        "is_foreclosure": False,
        "oddities": None,
    }.items() <= cleaned.listings.to_pylist()[0].items()
    assert ({"price_missing": 1}, ["60000005"]) == (cleaned.rejects_by_reason, cleaned.rejects["zpid"].to_pylist())


def test_zillow_com1_s_odd_listings_are_kept() -> None:
    """Plans, plots without coordinates and homes without an address of the usual form lose nothing."""
    _, plan, plot, flat = clean((fixture("zillow-com1"), 5), source="zillow-com1").listings.to_pylist()
    assert ("Invented Plan, Sample Meadows", "Compton", "CA", "90220") == tuple(plan[part] for part in PARTS)
    assert (None, "Lancaster", "CA", None) == tuple(plot[part] for part in PARTS)
    assert ("beside Sample Café, behind the mill", None, None, None) == tuple(flat[part] for part in PARTS)
    assert [
        "price_suffix,price_zero",
        "no_coordinates,plot",
        None,
    ] == [each["oddities"] for each in (plan, plot, flat)]
    assert (None, Decimal("54450.00"), Decimal("21780.00")) == tuple(
        each["lot_area_sqft"] for each in (plan, plot, flat)
    )


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("7 Example St, Los Angeles, CA 90045", ("7 Example St", "Los Angeles", "CA", "90045")),
        ("Birch Plan, Grand West, Houston, TX 77002", ("Birch Plan, Grand West", "Houston", "TX", "77002")),
        ("9 Sample Rd, Lot 5, Houston, TX 77002", ("9 Sample Rd, Lot 5", "Houston", "TX", "77002")),
        ("9 Sample Rd,Houston,TX 77002-1234 ", ("9 Sample Rd", "Houston", "TX", "77002-1234")),
        ("9 Sample Rd, Boston, MA 02118", ("9 Sample Rd", "Boston", "MA", "02118")),
        ("9 Doña Inés, Cañon City, CO 81212", ("9 Doña Inés", "Cañon City", "CO", "81212")),
        ("Houston, TX 77002", (None, "Houston", "TX", "77002")),
        (", Houston, TX 77002", (None, "Houston", "TX", "77002")),
        ("Houston, TX", (None, "Houston", "TX", None)),
        ("TX 77002", (None, None, "TX", "77002")),
        ("0 Sample Rd, TX 77002", ("0 Sample Rd", None, "TX", "77002")),
        ("0 Sample Rd, , TX 77002", ("0 Sample Rd", None, "TX", "77002")),
        ("0 Sample Rd, Houston, TX", ("0 Sample Rd", "Houston", "TX", None)),
        ("100 Sample Ave, NE", ("100 Sample Ave, NE", None, None, None)),
        ("9 Sample Rd, Houston, Texas 77002", ("9 Sample Rd, Houston, Texas 77002", None, None, None)),
        ("9 Sample Rd, Houston, ZZ 77002", ("9 Sample Rd, Houston, ZZ 77002", None, None, None)),
        ("9 Sample Rd, Houston, TX 7700", ("9 Sample Rd, Houston, TX 7700", None, None, None)),
        ("9 Sample Rd, Houston, TX 77002, USA", ("9 Sample Rd, Houston, TX 77002, USA", None, None, None)),
        ("12 Main St, Toronto, ON M5V 2T6", ("12 Main St", "Toronto", "ON", "M5V 2T6")),
        ("12 Rue du Parc, Québec, QC G1R4P5", ("12 Rue du Parc", "Québec", "QC", "G1R4P5")),
        ("Lot 7 Sample Rd, Iqaluit, NU", ("Lot 7 Sample Rd", "Iqaluit", "NU", None)),
        ("12 Main St, Toronto, ON M5V", ("12 Main St, Toronto, ON M5V", None, None, None)),
        ("Lot 7 Ranch Rd, Marfa, TX", ("Lot 7 Ranch Rd", "Marfa", "TX", None)),
        ("TX", ("TX", None, None, None)),
        ("two\nlines, Houston, TX 77002", ("two\nlines, Houston, TX 77002", None, None, None)),
        ("  ", (None, None, None, None)),
        ("", (None, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_an_address_is_taken_apart_from_its_end(address: str | None, parts: tuple[str | None, ...]) -> None:
    """ZIP code, state and city stand at the end; what cannot be told apart stays whole as the street."""
    made = com1(address=address)
    assert parts == tuple(made[part] for part in PARTS)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"{'x' * 513}, Houston, TX 77002", "street_address_too_long"),
        ("x" * 513, "street_address_too_long"),
        (f"9 Sample Rd, {'x' * 129}, TX 77002", "city_too_long"),
        ("9 Sample\0 Rd, Houston, TX 77002", "street_address_invalid"),
        (90045, "street_address_invalid"),
    ],
)
def test_a_part_that_its_column_cannot_hold_rejects_the_row(address: object, reason: str) -> None:
    """No part is cut: the row is kept as a reject, with the whole address in its detail."""
    (reject,) = clean_rows({"zpid": "1", "price": 5, "address": address}, source="zillow-com1").rejects.to_pylist()
    assert reason == reject["reason"]
    assert "address is " in reject["detail"]


def test_zillow_working_api_unwraps_its_listings_in_both_places() -> None:
    """A page with searchResults at the top and one with them below data are one set; a group is no listing."""
    pages = [(fixture("zillow-working-api"), 3), (fixture("zillow-working-api", page=2), 2)]
    cleaned = clean(*pages, source="zillow-working-api")
    first, plot, boat, rented = cleaned.listings.to_pylist()
    assert {
        "source": "zillow-working-api",
        "zpid": 70000001,
        "home_type": "SINGLE_FAMILY",
        "home_status": "FOR_SALE",
        "price": Decimal("289000.00"),
        "price_change": Decimal("4000.00"),
        "tax_assessed_value": Decimal("240300.00"),
        "lot_area_sqft": Decimal("14374.80"),
        "year_built": 1969,
        "street_address": "19 Example Harbor Ct",
        "city": "Newport News",
        "days_on_market": 6,
        "listed_at": datetime(2025, 11, 10, 7, 0, tzinfo=UTC),
        "is_open_house": True,
        "raw_position": 0,
    }.items() <= first.items()
    assert ("plot", None, None, "02301") == (
        plot["oddities"],
        plot["year_built"],
        plot["lot_area_sqft"],
        plot["zipcode"],
    )
    assert ("home_type_unknown,no_coordinates", "COMING_SOON") == (boat["oddities"], boat["home_status"])
    assert ("FOR_RENT", Decimal("1950.00"), None, 1) == (
        rented["home_status"],
        rented["price"],
        rented["oddities"],
        rented["raw_position"],
    )


def test_a_group_of_flats_to_rent_is_no_listing() -> None:
    """It has no price, and is no fault: a row of its own in the sum, and none among the rejects."""
    cleaned = clean((fixture("zillow-working-api", page=2), 2), source="zillow-working-api")
    assert {
        "landed": 2,
        "clean": 1,
        "rejected": 0,
        "duplicates": 0,
        "not_listings": 1,
        "unreadable": 0,
    } == cleaned.counts
    assert ([], {}) == (cleaned.rejects.to_pylist(), cleaned.unknown_fields)


def building(place: str | None = "30.1--97.5", **values: Any) -> dict[str, Any]:
    """A building as zillow-com1 returns it among the homes to rent."""
    return {"zpid": place, "isBuilding": True, "units": [{"beds": "2", "price": "$1,480+"}], "lotId": 5, **values}


def test_a_building_that_comes_again_counts_once() -> None:
    """Two buildings, one of them on both pages with other rents: two no listings, and a duplicate."""
    pages = [
        [building(), {"zpid": "1", "price": 1480, "isBuilding": False}],
        [building(units=[]), building("30.2--97.5"), {"zpid": "2", "price": 1790, "isBuilding": None}],
    ]
    bodies = [(json.dumps({"props": rows}).encode(), len(rows)) for rows in pages]
    cleaned = clean(*bodies, source="zillow-com1")
    assert {
        "landed": 5,
        "clean": 2,
        "rejected": 0,
        "duplicates": 1,
        "not_listings": 2,
        "unreadable": 0,
    } == cleaned.counts
    assert ([1, 2], [1, 2]) == tuple(cleaned.listings[each].to_pylist() for each in ("zpid", "raw_position"))
    assert {} == cleaned.unknown_fields  # that a home is no building is no news


def test_buildings_without_a_zpid_are_told_apart_by_what_they_hold() -> None:
    """Two that differ are two, and a third that is like the first is a duplicate."""
    rows = (building(None), building(None, lotId=6), building(None))
    counts = clean_rows(*rows, source="zillow-com1").counts
    assert {"landed": 3, "duplicates": 1, "not_listings": 2}.items() <= counts.items()


def test_what_a_building_has_is_no_news_and_what_a_home_beside_it_has_is() -> None:
    """Unknown fields are told of listings only, also where a building makes the page be read row by row."""
    cleaned = clean_rows(building(rooftop=1), {"zpid": "1", "price": 5, "pool": 1}, source="zillow-com1")
    assert {"pool": 1} == cleaned.unknown_fields


@pytest.mark.parametrize("mark", ["true", 1, "yes", [True], {"is": True}, None, False])
def test_only_the_value_that_the_adapter_names_makes_a_row_no_listing(mark: object) -> None:
    """Anything else leaves the row what it is: a zpid that is no number is a reject."""
    cleaned = clean_rows(building(isBuilding=mark), source="zillow-com1")
    assert ({"zpid_invalid": 1}, 0) == (cleaned.rejects_by_reason, cleaned.counts["not_listings"])


@pytest.mark.parametrize("beside", ["NaN", "1e999", '"\\ud800"', "5"])
def test_a_building_is_known_beside_what_no_json_has(beside: str) -> None:
    """Where the page or a row is one that only the standard library reads, the building is none of its listings."""
    page = f'{{"props": [{json.dumps(building())}, {beside}, {{"zpid": "1", "price": 5}}]}}'
    cleaned = clean((page.encode(), 3), source="zillow-com1")
    assert ({"row_invalid": 1}, 1, [1]) == (
        cleaned.rejects_by_reason,
        cleaned.counts["not_listings"],
        cleaned.listings["zpid"].to_pylist(),
    )


@pytest.mark.parametrize("item", [{"resultType": "property"}, {"property": None}, {"property": []}, None, 5])
def test_an_item_without_a_property_is_a_reject(item: object) -> None:
    """Whatever stands among the results, the others are kept."""
    good = {"property": {"zpid": 2, "price": {"value": 5}}, "resultType": "property"}
    cleaned = clean_rows(item, good, source="zillow-working-api")
    assert ({"row_invalid": 1}, [2]) == (cleaned.rejects_by_reason, cleaned.listings["zpid"].to_pylist())
