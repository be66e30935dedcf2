"""What the transform does with rows and pages that break the contract."""

import json
from typing import Any

import pytest

from include.contract.families import MOST_LISTINGS, NotAPage, load_source
from tests.support.transform_code import PREFIX, clean, clean_rows, cleaner, fixture, row

import transform  # isort: skip


def only_reject(listing: Any, source: str = "zillow56") -> dict[str, Any]:
    """The one reject that comes of a page of this row alone."""
    cleaned = clean_rows(listing, source=source)
    assert 0 == len(cleaned.listings)
    (reject,) = cleaned.rejects.to_pylist()
    return reject


@pytest.mark.parametrize(
    ("listing", "reason", "detail"),
    [
        (row(price="$634,500"), "price_invalid", 'price: price is "$634,500", expected a number'),
        (row(bedrooms="--"), "bedrooms_invalid", 'bedrooms: bedrooms is "--", expected a number'),
        (row(price=True), "price_invalid", "price: price is true, expected a number"),
        (row(price="nan"), "price_invalid", 'price: price is "nan", expected a finite number US dollars'),
        ({"zpid": 1}, "price_missing", "price: price is null, expected a value: the contract requires one"),
        ({"price": 1}, "zpid_missing", "zpid: zpid is null, expected a value: the contract requires one"),
        (row(price=-1), "price_out_of_range", "price: price is -1, expected 0 to 1000000000 US dollars"),
        (row(price=1e9 + 1), "price_out_of_range", "price: price is 1000000001.0, expected 0 to 1000000000 US dollars"),
        (row(zpid=0), "zpid_out_of_range", "zpid: zpid is 0, expected 1 to 9223372036854775807"),
        (row(zpid="abc"), "zpid_invalid", 'zpid: zpid is "abc", expected a whole number of at most 64 bits'),
        (row(zpid=2**63), "zpid_invalid", f"zpid: zpid is {2**63}, expected a whole number of at most 64 bits"),
        (row(zpid=1.5), "zpid_invalid", "zpid: zpid is 1.5, expected a whole number of at most 64 bits"),
        (row(latitude=91), "latitude_out_of_range", "latitude: latitude is 91, expected -90 to 90 degrees"),
        (row(zipcode=77001), "zipcode_invalid", "zipcode: zipcode is 77001, expected a text of valid Unicode"),
        (row(city="é" * 65), "city_too_long", None),
        (row(city="a\0b"), "city_invalid", None),
        (row(timeOnZillow=-5), "days_on_market_out_of_range", None),
        (row(timeOnZillow="long", daysOnZillow=3), "days_on_market_invalid", None),
        (row(timeOnZillow=None, daysOnZillow=-7), "days_on_market_out_of_range", None),
        (row(datePriceChanged=2**62), "price_changed_at_out_of_range", None),
        (row(datePriceChanged=-1), "price_changed_at_out_of_range", None),
        (row(listing_sub_type={"is_newHome": "maybe"}), "is_new_home_invalid", None),
        (row(listing_sub_type=[]), "is_new_home_invalid", None),
        (
            row(lotAreaValue=2, lotAreaUnit="hectares"),
            "lot_area_sqft_invalid",
            'lot_area_sqft: lotAreaValue is 2 and lotAreaUnit is "hectares", '
            "expected a finite number square feet in sqft or acres",
        ),
        (row(lotAreaValue=2), "lot_area_sqft_invalid", None),
        (None, "row_invalid", "the row is null, expected an object"),
        ("x", "row_invalid", 'the row is "x", expected an object'),
        (5, "row_invalid", "the row is 5, expected an object"),
        ([{"zpid": 1}], "row_invalid", 'the row is [{"zpid": 1}], expected an object'),
    ],
)
def test_a_row_that_breaks_the_contract_is_kept_with_its_reason(listing: Any, reason: str, detail: str | None) -> None:
    """Each fault has its own reason, and a sentence that says where, what, and what was expected."""
    reject = only_reject(listing)
    assert reason == reject["reason"]
    assert detail is None or detail == reject["detail"]
    assert listing == json.loads(reject["body"])


@pytest.mark.parametrize(
    ("source", "listing"),
    [
        ("zillow56", {"zpid": 1, "price": 5.0}),
        ("zillow-com1", {"zpid": "1", "price": 5}),
        ("zillow-com4", {"zpid": 1, "price": {"value": 5}}),
        ("zillow-working-api", {"zpid": 1, "price": {"value": 5}}),
    ],
)
def test_another_currency_than_the_contract_s_is_rejected(source: str, listing: dict[str, Any]) -> None:
    """Canadian dollars are never loaded as US dollars; a row without a currency, or with a blank one, stays."""
    sent = ["CAD", "usd", "USD ", None, "", "cad"]
    rows = [listing | {"zpid": str(1 + at), "currency": each} for at, each in enumerate(sent)] + [listing | {"zpid": 7}]
    items = [{"property": each} for each in rows] if source == "zillow-working-api" else rows
    cleaned = clean_rows(*items, source=source)
    assert [2, 3, 4, 5, 7] == cleaned.listings["zpid"].to_pylist()
    assert {"price_not_usd": 2} == cleaned.rejects_by_reason
    assert 'currency is "CAD", expected US dollars (USD), or no currency' in cleaned.rejects["detail"][0].as_py()


def test_a_currency_counts_before_the_amount() -> None:
    """What is out of range in pesos is no fault of the amount; no amount at all is rejected as ever."""
    assert "price_not_usd" == only_reject(row(price=2e9, currency="MXN"))["reason"]
    assert "price_invalid" == only_reject(row(currency={"code": "CAD"}))["reason"]
    assert "price_missing" == only_reject({"zpid": 1, "currency": "USD"})["reason"]


def test_the_first_column_in_contract_order_gives_the_reason() -> None:
    """A row with two faults has one reason, always the same."""
    assert "price_out_of_range" == only_reject(row(price=-1, latitude=95))["reason"]
    assert "price_invalid" == only_reject(row(price="--", zipcode=5))["reason"]


def test_a_nested_family_s_fault_names_the_whole_path() -> None:
    """A value that is no object where one belongs is named."""
    reject = only_reject({"zpid": 5, "price": {"value": 1}, "address": "3 Example St"}, source="zillow-com4")
    assert ("street_address_invalid", 'street_address: address is "3 Example St", expected an object') == (
        reject["reason"],
        reject["detail"],
    )


def test_a_reject_says_where_it_came_from() -> None:
    """Lineage and the zpid as it was sent let a person find the row."""
    reject = clean((fixture("zillow56"), 6)).rejects.to_pylist()[0]
    assert (f"{PREFIX}page-0001.json", 4, "40000005", "price_invalid") == (
        reject["raw_key"],
        reject["raw_position"],
        reject["zpid"],
        reject["reason"],
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(100, "100"), (100.0, "100"), ("100", "100"), ("0100", "100"), (" 100.0 ", "100"), (1.5, "1.5"), ("x1", "x1")],
)
def test_the_zpid_of_a_reject_is_written_as_that_of_a_listing(sent: object, kept: str) -> None:
    """However a number was sent, the listing is found again when it is clean; what is no number stays as it came."""
    assert kept == only_reject({"zpid": sent, "price": "call"})["zpid"]


@pytest.mark.parametrize("zpid", ["x" * 100, {"a": ["x" * 100]}, "é" * 50])
def test_texts_of_a_reject_fit_their_columns(zpid: object) -> None:
    """Whatever was sent as zpid, and however long the row, the reject can be loaded."""
    reject = only_reject({"zpid": zpid, "note": "é" * 70_000})
    assert 64 >= len(reject["zpid"].encode())
    assert 1024 >= len(reject["detail"].encode())
    assert 65535 >= len(reject["body"].encode()) > 65000


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 400])
def test_a_number_that_json_has_not_costs_its_row_only(constant: str) -> None:
    """A page with NaN, infinity or a number too long for any type loses one row, not the page."""
    page = f'{{"results": [{{"zpid": 1, "price": {constant}}}, {{"zpid": 2, "price": 5}}]}}'.encode()
    cleaned = clean((page, 2))
    assert [2] == cleaned.listings["zpid"].to_pylist()
    assert {"price_invalid": 1} == cleaned.rejects_by_reason


@pytest.mark.parametrize("broken", [rb'"\ud800"', rb'"\udc00x"', b"NaN", b"1e999"])
def test_what_no_column_reads_may_be_broken(broken: bytes) -> None:
    """A listing is not lost for a fault in a field that nobody asked for."""
    page = b'{"results": [{"zpid": 1, "price": 5, "imgSrc": ' + broken + b"}]}"
    assert {"clean": 1, "rejected": 0}.items() <= clean((page, 1)).counts.items()


def test_half_a_surrogate_pair_in_a_column_is_rejected() -> None:
    """Text that is no Unicode cannot be stored, and says so."""
    page = rb'{"results": [{"zpid": 1, "price": 5, "city": "\ud800"}, {"zpid": 2, "price": 5}]}'
    cleaned = clean((page, 2))
    assert ({"city_invalid": 1}, [2]) == (cleaned.rejects_by_reason, cleaned.listings["zpid"].to_pylist())
    assert 'city: city is "\\ud800", expected a text of valid Unicode' == cleaned.rejects["detail"][0].as_py()


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\r\n",
        b"<html>busy</html>",
        b'{"message": "Too many requests"}',
        b'{"results": {"zpid": 1}}',
        b'{"results": null}',
        b'{"results": [{"zpid": 1}',
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_page_that_cannot_be_read_is_one_reject(page: bytes) -> None:
    """It costs the listings counted on it, not the set, and is kept."""
    cleaned = clean((page, 7), (json.dumps({"results": [row(3)]}).encode(), 1))
    assert {
        "landed": 8,
        "clean": 1,
        "rejected": 0,
        "duplicates": 0,
        "not_listings": 0,
        "unreadable": 7,
    } == cleaned.counts
    assert (1, {"page_unreadable": 1}) == (cleaned.pages_unreadable, cleaned.rejects_by_reason)
    (reject,) = cleaned.rejects.to_pylist()
    assert (None, None, f"{PREFIX}page-0001.json") == (reject["raw_position"], reject["zpid"], reject["raw_key"])
    assert "\0" not in reject["body"]


def test_a_page_is_cut_into_its_rows_once_for_all_that_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of a page grows with its rows, not with rows times bad rows; a page without bad ones is not cut."""
    cut: list[bytes] = []
    reader = cleaner("zillow56")._reader
    whole = reader.bodies

    def counted(page: bytes) -> list[bytes]:
        cut.append(page)
        return whole(page)

    monkeypatch.setattr(reader, "bodies", counted)
    numbers = [range(1, 41), range(41, 81), range(81, 121)]
    pages = [
        json.dumps({"results": [row(zpid, price=price) for zpid in zpids]}).encode()
        for zpids, price in zip(numbers, (-1, 5, -2), strict=True)
    ]
    cleaned = clean(*((page, 40) for page in pages))

    assert [pages[0], pages[2]] == cut
    assert ({"price_out_of_range": 80}, 40) == (cleaned.rejects_by_reason, len(cleaned.listings))
    assert [str(zpid) for zpid in (*numbers[0], *numbers[2])] == cleaned.rejects["zpid"].to_pylist()


def test_a_page_with_more_rows_than_any_family_sends_is_one_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken apart, and its listings count as unreadable; landing refuses such a page."""
    assert transform.MOST_ROWS == MOST_LISTINGS
    monkeypatch.setattr(transform, "MOST_ROWS", 2)
    cleaned = clean_rows(row(1), row(2), row(3))
    assert [("page_unreadable", "the page has 3 rows, and one may have 2")] == [
        (each["reason"], each["detail"]) for each in cleaned.rejects.to_pylist()
    ]
    assert (3, 1) == (cleaned.counts["unreadable"], cleaned.pages_unreadable)
    body = json.dumps({"results": [{}] * (MOST_LISTINGS + 1)}).encode()
    with pytest.raises(NotAPage, match="too_many: 10001 listings, and a page may have 10000"):
        load_source("zillow56").read_page(body)


def test_rejects_beyond_the_room_for_whole_ones_keep_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each still says what was wrong and where it lies in raw, in the order of the pages."""
    monkeypatch.setattr(transform, "_CHUNK_ROWS", 1)
    monkeypatch.setattr(transform, "_WHOLE_BODIES_BYTES", 100)
    pages = [json.dumps({"results": [row(zpid, price=-1, note="x" * 300)]}).encode() for zpid in (1, 2, 3)]
    found = clean(*((page, 1) for page in pages)).rejects.to_pylist()
    whole = [page.decode().removeprefix('{"results": [').removesuffix("]}") for page in pages]
    assert [whole[0], whole[1][:200], whole[2][:200]] == [each["body"] for each in found]
    assert ["1", "2", "3"] == [each["zpid"] for each in found]
    assert ["page-0001.json", "page-0002.json", "page-0003.json"] == [each["raw_key"][-14:] for each in found]


def test_pages_full_of_rejects_take_bounded_memory() -> None:
    """Eight pages of 25 MB whose every row is rejected leave what two of them would, not 200 MB."""
    page = json.dumps({"results": [row(price=-1, note="x" * 60_000)] * 416}).encode()
    rejects = clean(*[(page, 416)] * 8).rejects
    assert 8 * 416 == len(rejects)
    assert rejects.nbytes < 110 * 2**20
