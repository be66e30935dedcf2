"""What the transform says of an API that changes: fields that nobody knows, and columns that nothing fills."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from include.contract.families import known_sources, load_source
from local.listing_api.families import FAMILIES
from local.listing_api.pages import SimulatedPages
from local.listing_api.searches import Search
from tests.support.adapter_files import zillow56
from tests.support.transform_code import PREFIX, ROOT, clean, clean_rows, clean_under, cleaner, row


def listings_of(source: str) -> list[dict[str, Any]]:
    """25 sound listings of a family as the local API serves them, no plots; the objects may be changed."""
    items = FAMILIES[source].listings_in(json.loads(_served(source))) or []
    return [item for item in items if listing_in(source, item).get("bedrooms")][:25]


@cache
def _served(source: str) -> bytes:
    pages, family = SimulatedPages(seed=7, page_size=50, pages_cap=20, dirty_share=0.0), FAMILIES[source]
    query = {family.location_param: "tampa, fl", family.search_param: family.searches[Search.SALE]}
    return pages.body(family, query, 1, datetime(2026, 11, 22, 6, tzinfo=UTC))


def listing_in(source: str, item: dict[str, Any]) -> dict[str, Any]:
    """The listing itself, which some families wrap."""
    each = load_source(source).adapter.each
    return item[each] if each else item


def sound_rows(count: int, **values: Any) -> list[dict[str, Any]]:
    """So many zillow56 listings that fill what is expected, and these values; None takes one away."""
    full = {
        "price": 100000.0,
        "homeType": "CONDO",
        "homeStatus": "FOR_SALE",
        "bedrooms": 2.0,
        "bathrooms": 1.0,
        "livingArea": 900.0,
        "streetAddress": "1 Example St",
        "city": "Houston",
        "state": "TX",
        "zipcode": "77002",
        "latitude": 29.7,
        "longitude": -95.3,
    }
    listing = {name: value for name, value in {**full, **values}.items() if value is not None}
    return [{"zpid": 1 + number, **listing} for number in range(count)]


@pytest.mark.parametrize("source", known_sources())
def test_what_a_family_sends_today_is_all_known(source: str) -> None:
    """The fixtures and the local API's pages, of homes for sale, for rent and sold, hold no unknown field."""
    served, family = SimulatedPages(seed=7, page_size=100, pages_cap=20, dirty_share=0.05), FAMILIES[source]
    at, fixed = datetime(2026, 11, 22, 6, tzinfo=UTC), (ROOT / "tests" / "fixtures" / source).glob("page-*.json")
    queries = [{family.location_param: "tampa, fl", family.search_param: kind} for kind in family.searches.values()]
    pages = [each.read_bytes() for each in fixed] + [served.body(family, query, 1, at) for query in queries]
    for page in pages:
        cleaned = clean((page, load_source(source).read_page(page).listings), source=source)
        assert {} == cleaned.unknown_fields
        assert set() == {"zpid", "home_type", "bedrooms", "latitude"} & set(cleaned.absent_columns)


@pytest.mark.parametrize("beside", [row(9), row(9, price="--"), row(9, note=float("nan"), price=float("inf"))])
def test_unknown_fields_are_counted_by_listing(beside: dict[str, Any]) -> None:
    """A new field counts where it stands, at the top and in an object that is read, whatever else the page holds."""
    found = clean_rows(
        row(1, solar=True),
        row(2, solar=None, listing_sub_type={"is_newHome": True, "is_pending": True}),
        row(3, price="--", solar={"panels": [1]}),
        beside,
    ).unknown_fields
    assert {"listing_sub_type.is_pending": 1, "solar": 2} == {path: found[path] for path in found if path != "note"}
    assert ("note" in beside) is ("note" in found)


def test_a_field_without_a_value_is_no_news() -> None:
    """Some families send null or {} for what they do not have: only a value is news, and told with its path."""
    rows = [row(1 + number, solar=None, roof={}, listing_sub_type={"is_comingSoon": None}) for number in range(20)]
    assert {} == clean_rows(*rows).unknown_fields
    assert {"solar": 1} == clean_rows(*rows, row(21, solar=0)).unknown_fields


def test_an_unknown_field_changes_nothing_else() -> None:
    """Listings, rejects and counts are those of the same page without the field."""
    rows = [row(1, city="Houston"), row(2, price="--"), {"zpid": "x", "price": 1}, row(4, bedrooms=3)]
    without, with_it = clean_rows(*rows), clean_rows(*({**each, "solar": [{"x": 1}]} for each in rows))
    assert {"solar": 4} == with_it.unknown_fields
    assert without.listings.equals(with_it.listings)
    assert without.rejects.drop_columns("body").equals(with_it.rejects.drop_columns("body"))
    assert without.counts == with_it.counts


def test_an_ignored_path_covers_what_is_below() -> None:
    """A photo list, an object in an ignored object, a null: no news, and whatever stands there costs no listing."""
    odd: list[Any] = [None, 5, "x", [], {"anything": {"below": 1}}, float("nan"), "\ud800"]
    cleaned = clean_rows(*(row(1 + number, open_house_info=value, imgSrc=value) for number, value in enumerate(odd)))
    assert ({}, len(odd)) == (cleaned.unknown_fields, cleaned.counts["clean"])


def test_a_list_and_an_unread_object_are_not_looked_into() -> None:
    """What is unknown is named once, by its outermost name."""
    cleaned = clean_rows(row(1, agents=[{"name": "x"}], school={"name": {"first": "y"}}))
    assert {"agents": 1, "school": 1} == cleaned.unknown_fields


def test_a_wrapped_listing_is_looked_at_inside() -> None:
    """Paths of a family that wraps its listings begin where its adapter's do."""
    item = {"resultType": "property", "property": {"zpid": 1, "price": {"value": 5, "perYear": 1}, "solar": True}}
    assert {"price.perYear": 1, "solar": 1} == clean_rows(item, source="zillow-working-api").unknown_fields


def test_an_ignored_path_may_lie_in_an_object_that_nobody_reads() -> None:
    """Only that path is known of it, and columns beside it are read as ever."""
    listings = [row(1, agent={"name": "x", "office": {"city": 1, "zip": 2}}, city="Houston"), row(2, agent=5)]
    cleaned = clean_under(zillow56(ignored=["agent.name", "agent.office.city"]), listings)
    assert {"agent.office.zip": 1} == cleaned.unknown_fields
    assert ["Houston", None] == cleaned.listings["city"].to_pylist()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("price.value", '"price.value"'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("\0", '"\\u0000"'),
        ("\ud800", '"\\ud800"'),
        ("", '""'),
        ("é", '"\\u00e9"'),
        ("x" * 10_000, "x" * 99 + "…"),
        ("\0" * 10_000, '"' + "\\u0000" * 16 + "\\u…"),
        ("__proto__", "__proto__"),
    ],
)
def test_a_hostile_name_is_a_short_printable_path(name: str, path: str) -> None:
    """Dots, quotes, control characters, half characters and length: one line of at most 100 characters."""
    cleaned = clean_rows(row(1, **{name: 1}), row(2, listing_sub_type={name: 1}))
    found = list(cleaned.unknown_fields)
    assert path in found
    assert 2 == len(found)
    assert all(len(each) <= 100 and each.isprintable() for each in found)
    assert 2 == cleaned.counts["clean"]


def test_of_many_unknown_fields_the_commonest_are_named() -> None:
    """Fifty are named, in the alphabet's order, and one that every listing has is among them."""
    rows = [row(1 + number, **{f"f{number}x{each}": 1 for each in range(300)}, zebra=1) for number in range(10)]
    found = clean_rows(*rows).unknown_fields
    assert (50, 10, "f0x0", "zebra") == (len(found), found["zebra"], *(list(found)[at] for at in (0, -1)))
    backwards = [dict(reversed(each.items())) for each in rows]
    assert list(found.items()) == list(clean_rows(*backwards).unknown_fields.items())


def test_what_is_counted_is_bounded() -> None:
    """After a thousand names no other is counted: ever new names do not fill the memory."""
    many = row(1, **{f"f{each}": 1 for each in range(1000)})
    pages = [(json.dumps({"results": rows}).encode(), len(rows)) for rows in ([many], [row(2, late=1, f7=1)] * 3)]
    found = clean(*pages).unknown_fields
    assert (4, False) == (found["f7"], "late" in found)


@pytest.mark.parametrize(
    ("rows", "absent"),
    [
        (sound_rows(20), []),
        (sound_rows(20, price=None), ["price"]),
        (sound_rows(19, price=None), []),
        ([*sound_rows(19, price=None), row(20)], []),
        (sound_rows(20, price="call"), []),
        (sound_rows(20, price=-1), []),
        (sound_rows(20, city="  "), ["city"]),
        (sound_rows(20, city=None, state=None), ["city", "state"]),
        (sound_rows(19, city=None) + sound_rows(1, city="", price="call"), ["city"]),
        (sound_rows(19, city=None) + sound_rows(1, city="X", price="call"), []),
        (sound_rows(20, bedrooms=None), ["bedrooms"]),
        (sound_rows(19, bedrooms=None) + sound_rows(30, bedrooms=None, homeType="LOT"), []),
        (sound_rows(30, streetAddress=None, zipcode=None, homeType="LOT"), []),
        (sound_rows(30, streetAddress=None, zipcode=None), ["street_address", "zipcode"]),
        (sound_rows(30, city=None, homeType="LOT"), ["city"]),
        (sound_rows(20, bedrooms=None, homeType="HOUSEBOAT"), ["bedrooms"]),
        (sound_rows(20, bedrooms=None, homeType=None), ["home_type", "bedrooms"]),
        (sound_rows(20, zestimate=None), []),
        (sound_rows(20, price=None, listPrice=100000.0), ["price"]),
    ],
)
def test_a_column_that_nothing_fills_is_absent(rows: list[dict[str, Any]], absent: list[str]) -> None:
    """From 20 listings on, sound or rejected; a wrong value is a value, a blank is none, and plots have no bedrooms."""
    assert absent == clean_rows(*rows).absent_columns


@pytest.mark.parametrize(
    ("address", "home_type"),
    [
        ("Lot 7 Ranch Rd, Marfa, TX", "LOT"),
        ("Marfa, TX", "LOT"),
        ("12 Main St, Toronto, ON M5V 2T6", "SINGLE_FAMILY"),
    ],
)
def test_a_sound_market_of_addresses_in_one_text_lacks_nothing(address: str, home_type: str) -> None:
    """Plots without street or ZIP code, and homes in Canada, do not close the gate for good."""
    items = listings_of("zillow-com1")
    for item in items:
        item.update(address=address, propertyType=home_type)
    assert [] == clean_rows(*items, source="zillow-com1").absent_columns


DAY_MS = 86_400_000
NOW_S = 1_795_000_000


@pytest.mark.parametrize(
    ("count", "values", "impossible"),
    [
        # Seconds where milliseconds were: price changes of 1970, ages of minutes.
        (20, {"datePriceChanged": NOW_S}, ["price_changed_at"]),
        (19, {"datePriceChanged": NOW_S}, []),
        (20, {"datePriceChanged": NOW_S * 1000}, []),
        (200, {"timeOnZillow": 40 * DAY_MS // 1000}, ["days_on_market", "listed_at"]),
        (199, {"timeOnZillow": 40 * DAY_MS // 1000}, []),
        (200, {"timeOnZillow": 40 * DAY_MS}, []),
        # The newest of a large market, a page of them.
        (41, {"timeOnZillow": DAY_MS // 12}, []),
    ],
)
def test_times_in_another_unit_are_impossible_as_a_whole(
    count: int, values: dict[str, int], impossible: list[str]
) -> None:
    """Of enough listings none can have a time of before 2000, nor half of them be new; one good time opens the gate."""
    rows = sound_rows(count, **values)
    assert impossible == clean_rows(*rows).impossible_columns
    path = next(iter(values))
    good = {"datePriceChanged": NOW_S * 1000, "timeOnZillow": 40 * DAY_MS}[path]
    mixed = [each | {path: good} if number % 2 else each for number, each in enumerate(rows)]
    assert [] == clean_rows(*mixed[: count // 2 * 2]).impossible_columns


@pytest.mark.parametrize("source", known_sources())
def test_no_time_of_a_family_is_impossible(source: str) -> None:
    """Two hundred listings as the family sends them have times that can be meant."""
    assert [] == clean_rows(*listings_of(source) * 40, source=source).impossible_columns


def test_a_value_that_means_unknown_fills_nothing() -> None:
    """Where -1 stands for unknown, in a sound listing or in a reject, the column is as absent as without it."""
    document = zillow56(expected=["days_on_market"])
    rows = [row(1 + number, daysOnZillow=-1, price=price) for number, price in enumerate([1, "call"] * 10)]
    assert ["days_on_market"] == clean_under(document, rows).absent_columns
    assert [] == clean_under(document, [*rows, row(21, daysOnZillow=0, price="call")]).absent_columns


def test_columns_are_looked_for_in_all_pages() -> None:
    """One listing on the last of many pages fills a column; pages that nothing can read say nothing."""
    page = (json.dumps({"results": sound_rows(40, city=None)}).encode(), 40)
    last = (json.dumps({"results": sound_rows(1)}).encode(), 1)
    assert ["city"] == clean(*[page] * 60).absent_columns
    assert [] == clean(*[page] * 60, last).absent_columns
    assert (
        [] == clean((b"<html>", 40), (json.dumps({"results": sound_rows(19, city=None)}).encode(), 19)).absent_columns
    )


def test_listings_that_are_no_objects_fill_nothing() -> None:
    """A wrapper with another name leaves every expected column empty, but for what plots may lack."""
    renamed = [{"resultType": "property", "home": {"zpid": 1, "price": {"value": 5}}} for _ in range(20)]
    cleaned = clean_rows(*renamed, source="zillow-working-api")
    assert {"zpid", "price", "city", "listed_at"} <= set(cleaned.absent_columns)
    assert {"row_invalid": 20} == cleaned.rejects_by_reason


@pytest.mark.parametrize("source", known_sources())
def test_every_expected_column_of_a_family_is_watched(source: str) -> None:
    """With a path taken out of all listings just the columns that are read there are absent; else none is."""
    assert [] == clean_rows(*listings_of(source), source=source).absent_columns
    for column in cleaner(source).plan.payload:
        if column.name in cleaner(source).plan.expected:
            items = listings_of(source)
            for item in items:
                _take_out(listing_in(source, item), column.rules[0].path)
            absent = clean_rows(*items, source=source).absent_columns
            assert {column.name} <= set(absent)
            sharing = [each.name for each in cleaner(source).plan.payload if each.rules and _reads(each, column)]
            assert set(absent) <= set(sharing)


@pytest.mark.parametrize(
    ("source", "path", "value", "column"),
    [
        ("zillow56", "bedrooms", "three", "bedrooms"),
        ("zillow56", "listing_sub_type", "is_newHome", "is_new_home"),
        ("zillow-com1", "price", "$634,500", "price"),
        ("zillow-com1", "address", {"street": "1 Example St"}, "street_address"),
        ("zillow-com4", "price", 634500, "price"),
        ("zillow-com4", "location.latitude", "29.7 N", "latitude"),
        ("zillow-working-api", "price", [634500], "price"),
        ("zillow-working-api", "yearBuilt", "unknown", "year_built"),
    ],
)
def test_a_field_with_a_new_type_is_a_reject_that_can_be_found(
    source: str, path: str, value: object, column: str
) -> None:
    """The reject names column, path and value in its detail, and page and position; the others are clean."""
    items = listings_of(source)
    _take_out(listing_in(source, items[3]), path, value)
    cleaned = clean_rows(*items, source=source)
    (reject,) = cleaned.rejects.to_pylist()
    assert (f"{column}_invalid", f"{PREFIX}page-0001.json", 3) == (
        reject["reason"],
        reject["raw_key"],
        reject["raw_position"],
    )
    assert reject["detail"].startswith(f"{column}: {path} is {json.dumps(value)}, expected ")
    assert ({}, []) == (cleaned.unknown_fields, cleaned.absent_columns)


def _take_out(listing: dict[str, Any], path: str, put: object = None) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        listing = listing.get(parent, {})
    if put is None:
        listing.pop(name, None)
    else:
        listing[name] = put


def _reads(one: Any, other: Any) -> bool:
    return one.rules[0].path == other.rules[0].path
