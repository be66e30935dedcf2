"""A sound set gets its ready marker; any other is held back by the gate that names itself."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.base.receipts import CleanReceipt
from include.sense.gates import GateClosed, Gatekeeper
from tests.support.examples import KEY, PREFIX, RESOURCES, VERSION, buckets, put_clean_set, ready_set

MARKER = f"ready/date=2026-11-22/zillow56~houston-tx~20261122T060003Z-1f3a9c~{VERSION}.json"
FILES = {
    "listings.parquet": {"rows": 38, "bytes": 13, "sha256": "0" * 64},
    "rejects.parquet": {"rows": 1, "bytes": 10, "sha256": "0" * 64},
}

PARTS = "clean + rejected + duplicates + not_listings + unreadable"


def counts(
    landed: int, clean: int, rejected: int = 0, duplicates: int = 0, not_listings: int = 0, unreadable: int = 0
) -> dict[str, int]:
    """The counts of a `_SUCCESS.json`."""
    return {
        "landed": landed,
        "clean": clean,
        "rejected": rejected,
        "duplicates": duplicates,
        "not_listings": not_listings,
        "unreadable": unreadable,
    }


def test_a_sound_set_is_let_through() -> None:
    """The marker describes the set as the load needs it, and the receipt repeats its counts."""
    s3 = buckets()
    put_clean_set(s3)

    receipt = Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)

    set_id = f"zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c/{VERSION}"
    assert CleanReceipt(set_id, MARKER, landed=41, clean=38, rejected=1, duplicates=2, unreadable=0) == receipt
    assert ready_set().to_dict() == json.loads(s3.buckets["clean"][MARKER].body)


@pytest.mark.parametrize(
    ("listings", "claimed", "reached"),
    [
        ([41, 0], 20, True),  # an empty page
        ([41] * 20, None, True),  # zillow56 shows no more
        ([41, 12], 2, True),  # the last that it claims
        ([41], 20, False),
        ([41], None, False),
        ([41] * 19, 20, False),
        ([], 20, None),  # a manifest of another form
    ],
)
def test_a_set_that_our_page_limit_ended_is_told_apart(
    listings: list[int], claimed: int | None, reached: bool | None
) -> None:
    """The marker says whether the set ended where the market does, by how many listings each page brought."""
    s3 = buckets()
    manifest = {"pages": [{"listings": count} for count in listings], "pages_claimed": claimed}
    put_clean_set(s3, manifest=json.dumps(manifest).encode())

    Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)
    assert reached is json.loads(s3.buckets["clean"][MARKER].body)["reached_end"]


def test_a_claim_that_no_column_holds_is_not_handed_on() -> None:
    """The marker of a set that an earlier version landed has no claim where its manifest has an impossible one."""
    s3 = buckets()
    put_clean_set(s3, manifest=b'{"location": "houston, tx", "pages_claimed": 3000000000, "listings_claimed": "820"}')

    Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)
    marker = json.loads(s3.buckets["clean"][MARKER].body)
    assert (None, 820) == (marker["pages_claimed"], marker["listings_claimed"])


@pytest.mark.parametrize(
    ("market", "said", "listing", "name"),
    [
        ("houston-tx", "", "sale", "houston, tx"),  # landed before there were searches
        ("houston-tx", ', "listing": "sale"', "sale", "houston, tx"),
        ("houston-tx-rent", ', "listing": "rent"', "rent", "houston, tx (rent)"),
        ("houston-tx-sold", ', "listing": "sold"', "sold", "houston, tx (sold)"),
    ],
)
def test_the_marker_says_what_was_searched_for(market: str, said: str, listing: str, name: str) -> None:
    """Search and name come from the manifest; one without a search is of homes for sale."""
    s3, key = buckets(), replace(KEY, market=market)
    put_clean_set(s3, key, market=market, manifest=f'{{"location": "houston, tx"{said}}}'.encode())

    ready_key = Gatekeeper(s3, RESOURCES, 0.05).let_through(key).ready_key
    marker = json.loads(s3.buckets["clean"][ready_key].body)
    assert (listing, name) == (marker["listing"], marker["market_name"])


@pytest.mark.parametrize(
    ("market", "said", "words"),
    [
        ("houston-tx", '"rent"', "its listing is 'rent', but the market houston-tx is of homes for 'sale'"),
        ("houston-tx-rent", '"sale"', "its listing is 'sale', but the market houston-tx-rent is of homes for 'rent'"),
        ("houston-tx-rent", '"sold"', "its listing is 'sold', but the market houston-tx-rent is of homes for 'rent'"),
        ("houston-tx", "7", "its listing is '7', but the market houston-tx is of homes for 'sale'"),
    ],
)
def test_a_search_in_another_ones_market_is_held_back(market: str, said: str, words: str) -> None:
    """Rents that would stand among prices, or a search that there is none of, are held back in words."""
    s3, key = buckets(), replace(KEY, market=market)
    put_clean_set(s3, key, market=market, manifest=f'{{"location": "houston, tx", "listing": {said}}}'.encode())

    with pytest.raises(GateClosed, match=f"{words}: nothing was loaded. Extract the market again"):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(key)
    assert [] == [each for each in s3.keys("clean") if each.startswith("ready/")]


def test_letting_through_twice_leaves_one_marker() -> None:
    """The gates may be passed again: same receipt, same marker."""
    s3 = buckets()
    put_clean_set(s3)
    gates = Gatekeeper(s3, RESOURCES, 0.05)

    assert gates.let_through(KEY) == gates.let_through(KEY)
    assert [MARKER] == [key for key in s3.keys("clean") if key.startswith("ready/")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"manifest_sha256": "f" * 64},
            f"a manifest with checksum {'f' * 64}, but the one in landing has ",
        ),
        ({"contract_version": "0.0.1"}, "cleaned under contract 0.0.1, expected "),
        ({"counts": counts(41, 38)}, f"41 listings landed, but {PARTS} = 38"),
        ({"counts": counts(40, 38, 1, 2)}, f"40 listings landed, but {PARTS} = 41"),
        (
            {"counts": counts(41, 38, rejected=3)},
            "3 of 41 listings were rejected (7.3%, limit 5.0%; mostly 1 price_missing): the warehouse keeps",
        ),
        (
            {"counts": counts(41, 38, not_listings=2)},
            f"41 listings landed, but {PARTS} = 40",
        ),
        (
            {"counts": counts(41, 18, rejected=2, not_listings=21)},
            "2 of 20 listings were rejected (10.0%, limit 5.0%",
        ),
        ({"counts": counts(41, 1, unreadable=40)}, "40 of 41 listings were rejected (97.6%"),
        ({"counts": counts(41, 0, rejected=41)}, "41 of 41 listings were rejected (100.0%"),
        ({"files": FILES}, f"{PREFIX}transform={VERSION}/listings.parquet: 13 bytes with checksum "),
    ],
)
def test_an_unsound_set_is_held_back(changes: dict[str, Any], words: str) -> None:
    """Origin, contract, counts, share of rejects and files each hold a set back, in words, without a marker."""
    s3 = buckets()
    put_clean_set(s3, **changes)

    with pytest.raises(GateClosed, match=re.escape(words)):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)
    assert [] == [key for key in s3.keys("clean") if key.startswith("ready/")]


@pytest.mark.parametrize("name", ["listings.parquet", "rejects.parquet"])
@pytest.mark.parametrize("body", [b"", b"38 clean row$"])
def test_a_file_that_changed_is_found(name: str, body: bytes) -> None:
    """Bytes that differ from what was stated hold the set back, also when their number is the same."""
    s3 = buckets()
    put_clean_set(s3)
    s3.put_object(Bucket="clean", Key=f"{PREFIX}transform={VERSION}/{name}", Body=body)

    with pytest.raises(GateClosed, match=f"{name}: {len(body)} bytes .* clean the set again from raw"):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)


@pytest.mark.parametrize(
    ("source", "column", "path"),
    [
        ("zillow56", "price", "price (price in the payload)"),
        ("zillow56", "days_on_market", "days_on_market (timeOnZillow or daysOnZillow in the payload)"),
        ("zillow-com4", "latitude", "latitude (location.latitude in the payload)"),
        ("zillow-working-api", "price", "price (property.price.value in the payload)"),
        ("zillow56", "of_another_contract", "none has of_another_contract. "),
    ],
)
def test_an_expected_column_that_nothing_fills_holds_a_set_back(source: str, column: str, path: str) -> None:
    """The alarm names column, path, market, listings, what became of the set and what to do; no marker is put."""
    s3, key = buckets(), replace(KEY, source=source)
    put_clean_set(s3, key, source=source, absent_columns=[column])

    with pytest.raises(GateClosed) as closed:
        Gatekeeper(s3, RESOURCES, 0.05).let_through(key)
    for words in (
        f"{key.manifest}: of 41 listings of {source}/houston-tx none has ",
        path,
        "Nothing was loaded, the warehouse keeps the market's earlier state. Let include/schemas/sources/",
        f"{source}.yaml read where the value stands now",
        "make replay FROM=2026-11-22 TO=2026-11-22 MARKETS=houston-tx",
    ):
        assert words in str(closed.value)
    assert [] == [each for each in s3.keys("clean") if each.startswith("ready/")]


def test_times_in_another_unit_hold_a_set_back() -> None:
    """The alarm names column and path, what is wrong with all its values, and what to do; no marker is put."""
    s3 = buckets()
    put_clean_set(s3, impossible_columns=["price_changed_at"])

    words = (
        "of 41 listings of zillow56/houston-tx none has a time that can be meant in price_changed_at (datePriceChanged "
        "in the payload): before the year 2000, or only hours old. The API seems to send another unit than "
        "milliseconds. Nothing was loaded, the warehouse keeps the market's earlier state. Let include/schemas/sources/"
    )
    with pytest.raises(GateClosed, match=re.escape(words)):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)
    assert [] == [each for each in s3.keys("clean") if each.startswith("ready/")]


def test_a_record_of_functions_before_this_code_is_no_error() -> None:
    """While a stage is updated, a `_SUCCESS.json` that says nothing of times passes as it did."""
    s3 = buckets()
    put_clean_set(s3)
    name = f"{KEY.clean_prefix(VERSION)}_SUCCESS.json"
    told = json.loads(s3.buckets["clean"][name].body)
    del told["impossible_columns"], told["absent_claims"]
    s3.put_object(Bucket="clean", Key=name, Body=json.dumps(told).encode())

    assert 38 == Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY).clean


def test_a_renamed_column_is_named_before_its_rejects() -> None:
    """Where every row is a reject because a field was renamed, the alarm is about it and names the unknown fields."""
    s3 = buckets()
    fields = dict.fromkeys("abcdefg", 41)
    put_clean_set(s3, absent_columns=["zpid", "price"], unknown_fields=fields, counts=counts(41, 0, rejected=41))

    words = (
        "none has zpid (zpid in the payload), price (price in the payload). Nothing was loaded, the warehouse keeps "
        "the market's earlier state. Fields that the adapter does not know: a, b, c, d, e and 2 more. Let "
    )
    with pytest.raises(GateClosed, match=re.escape(words)):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)


def test_unknown_fields_hold_nothing_back() -> None:
    """A set with news passes, and its receipt says how many fields there are."""
    s3 = buckets()
    put_clean_set(s3, unknown_fields={"solar": 41, "listing_sub_type.is_pending": 1})

    assert 2 == Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY).unknown_fields


@pytest.mark.parametrize(
    ("landed", "rejected", "limit"), [(100, 6, 0.05), (41, 3, 0.05), (1000, 51, 0.05), (2, 2, 0.0)]
)
def test_a_share_above_the_limit_is_held_back(landed: int, rejected: int, limit: float) -> None:
    """One row more than the limit allows closes the gate."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(landed, landed - rejected, rejected=rejected))

    with pytest.raises(GateClosed, match=f"{rejected} of {landed} listings were rejected"):
        Gatekeeper(s3, RESOURCES, limit).let_through(KEY)


def test_the_commonest_reasons_are_named() -> None:
    """Three of them, the commonest first, and how many others there are."""
    s3 = buckets()
    reasons = {"bedrooms_invalid": 2, "city_too_long": 2, "page_unreadable": 1, "price_missing": 9, "zpid_invalid": 1}
    put_clean_set(s3, counts=counts(41, 26, rejected=14, unreadable=1), rejects_by_reason=reasons)

    words = "limit 5.0%; mostly 9 price_missing, 2 bedrooms_invalid, 2 city_too_long and 2 more): the warehouse keeps"
    with pytest.raises(GateClosed, match=re.escape(words)):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)


@pytest.mark.parametrize(
    ("landed", "rejected", "limit"), [(100, 5, 0.05), (40, 2, 0.05), (100, 29, 0.29), (20, 20, 1.0)]
)
def test_a_share_at_the_limit_passes(landed: int, rejected: int, limit: float) -> None:
    """The limit itself is allowed: two of 40 at 5 %."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(landed, landed - rejected, rejected=rejected))

    assert rejected == Gatekeeper(s3, RESOURCES, limit).let_through(KEY).rejected


@pytest.mark.parametrize("limit", [0.0, 0.05])
@pytest.mark.parametrize("lost", [{"rejected": 1}, {"unreadable": 1}])
@pytest.mark.parametrize("landed", [1, 5, 19])
def test_one_lost_row_never_holds_a_set_back(landed: int, lost: dict[str, int], limit: float) -> None:
    """One bad row of a small market is no share, whatever the limit."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(landed, landed - 1, **lost))

    assert landed == Gatekeeper(s3, RESOURCES, limit).let_through(KEY).landed


def test_two_lost_rows_are_a_share() -> None:
    """From the second row on the limit counts, also in a small market and when one of the two is unreadable."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(5, 3, rejected=1, unreadable=1))

    with pytest.raises(GateClosed, match=re.escape("2 of 5 listings were rejected (40.0%, limit 5.0%")):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)


def test_duplicates_are_not_rejects() -> None:
    """A set full of duplicates passes: nothing of it is lost."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(41, 1, duplicates=40))

    assert 40 == Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY).duplicates


def test_no_listings_are_not_rejects() -> None:
    """A set that is half buildings passes: nothing of it is lost, and receipt and marker tell how many they are."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(41, 21, not_listings=20))

    assert 20 == Gatekeeper(s3, RESOURCES, 0.0).let_through(KEY).not_listings
    assert 20 == json.loads(s3.buckets["clean"][MARKER].body)["not_listings"]


def test_a_set_that_was_cleaned_before_no_listings_were_counted_passes() -> None:
    """A `_SUCCESS.json` without the count had every row among the others."""
    s3 = buckets()
    before = counts(41, 38, rejected=1, duplicates=2)
    del before["not_listings"]
    put_clean_set(s3, counts=before)

    assert 0 == Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY).not_listings
    assert 0 == json.loads(s3.buckets["clean"][MARKER].body)["not_listings"]


def test_an_empty_market_passes() -> None:
    """A market without a listing is no fault and divides nothing by zero."""
    s3 = buckets()
    put_clean_set(s3, counts=counts(0, 0))

    assert 0 == Gatekeeper(s3, RESOURCES, 0.0).let_through(KEY).landed


def test_a_set_that_is_not_there_is_no_sound_set() -> None:
    """Without `_SUCCESS.json` nothing is let through."""
    s3 = buckets()

    with pytest.raises(ClientError, match="NoSuchKey"):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY)
    put_clean_set(s3)
    with pytest.raises(ClientError, match="NoSuchKey"):
        Gatekeeper(s3, RESOURCES, 0.05).let_through(replace(KEY, market="austin-tx"))
