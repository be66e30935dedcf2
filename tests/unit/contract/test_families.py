"""The API families: how each is asked, what counts as a page, and which adapter files are refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.contract.adapters import CONVERSIONS, AdapterError, parse_adapter
from include.contract.families import (
    SOURCES_FOLDER,
    NotAPage,
    PageFacts,
    Source,
    UnknownSource,
    compile_source,
    known_sources,
    load_source,
)
from infra.host.host_environment import CONNECTION_PATTERN
from tests.support.adapter_files import ZILLOW56, zillow56
from tests.support.transform_code import fixture

ROOT = Path(__file__).resolve().parents[3]


def test_the_known_families_are_the_files() -> None:
    """The four families of today are found, in alphabetical order."""
    assert ("zillow-com1", "zillow-com4", "zillow-working-api", "zillow56") == known_sources()


@pytest.mark.parametrize("source", known_sources())
def test_every_family_has_a_page_and_a_connection_that_airflow_looks_up(source: str) -> None:
    """A connection outside the pattern would be asked of Airflow's database only, and on AWS never be found."""
    assert re.search(CONNECTION_PATTERN, load_source(source).connection)
    assert fixture(source)


def test_all_that_an_adapter_may_say_is_documented() -> None:
    """The section on adapters names every key of the file and of a rule, and every conversion."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## An adapter\n")[2].partition("\n## ")[0]
    said = {each for adapter in SOURCES_FOLDER.glob("*.yaml") for each in yaml.safe_load(adapter.read_text())}

    assert said | {"page_cap", "null_values", "unknown", "unit_path", "units", "part", *CONVERSIONS} <= set(
        re.findall(r"`(\w+)`", section)
    )


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    """The error for a name that has no adapter lists those that have."""
    with pytest.raises(UnknownSource, match="no API family 'redfin'; known: zillow-com1, zillow-com4, "):
        load_source("redfin")


def test_a_request_says_where_and_which_page() -> None:
    """Parameters are the family's constants, the location as typed, and the page."""
    source = load_source("zillow56")
    assert {"output": "json", "status": "forSale", "location": "houston, tx", "page": "3"} == source.request_params(
        "houston, tx", 3
    )
    assert ("GET", "zillow56.p.rapidapi.com", "/search", 1, 20, "zillow_api") == (
        source.request.method,
        source.request.host,
        source.request.path,
        source.request.first_page,
        source.request.page_cap,
        source.connection,
    )


@pytest.mark.parametrize(
    ("family", "listing", "asked"),
    [
        ("zillow56", "sale", {"status": "forSale"}),
        ("zillow56", "rent", {"status": "forRent"}),
        ("zillow56", "sold", {"status": "recentlySold"}),
        ("zillow-com1", "sale", {"status_type": "ForSale"}),
        ("zillow-com1", "rent", {"status_type": "ForRent"}),
        ("zillow-com1", "sold", {"status_type": "RecentlySold"}),
        ("zillow-com4", "sale", {"status": "forSale"}),
    ],
)
def test_a_search_is_asked_for_in_the_family_s_words(family: str, listing: str, asked: dict[str, str]) -> None:
    """For sale, for rent or sold is what the family calls it, and no parameter of another search comes along."""
    params = load_source(family).request_params("houston, tx", 1, listing=listing)

    assert asked == {name: value for name, value in params.items() if "status" in name.lower()}


@pytest.mark.parametrize(("first_page", "expected"), [(0, ["0", "1", "19"]), (1, ["1", "2", "20"])])
def test_pages_are_counted_as_the_family_does(first_page: int, expected: list[str]) -> None:
    """Our pages 1, 2 and 20 are asked for by the numbers that the family gives them."""
    document = zillow56()
    document["request"]["first_page"] = first_page
    source = Source(parse_adapter("zillow56", document))

    assert expected == [source.request_params("houston, tx", page)["page"] for page in (1, 2, 20)]


def test_a_page_size_is_sent_where_the_family_has_one() -> None:
    """zillow-com4 takes a page size, 250 unless told; zillow56 has none and says so."""
    source = load_source("zillow-com4")
    assert ("250", "40") == (
        source.request_params("WA", 1)["resultsPerPage"],
        source.request_params("WA", 1, 40)["resultsPerPage"],
    )
    with pytest.raises(ValueError, match="zillow56 has no parameter for the page size; leave it out"):
        load_source("zillow56").request_params("houston, tx", 1, 40)


@pytest.mark.parametrize(
    ("family", "facts"),
    [
        ("zillow56", PageFacts(6, 20, 9876)),
        ("zillow-com4", PageFacts(3, 1, 3)),
        ("zillow-com1", PageFacts(5, 20, 8642)),
        ("zillow-working-api", PageFacts(3, 2, 5)),
    ],
)
def test_a_page_tells_its_facts(family: str, facts: PageFacts) -> None:
    """Listings are counted; pages and listings of the whole search are what the API claims."""
    assert facts == load_source(family).read_page(fixture(family))


def test_a_page_may_hold_its_listings_in_another_of_the_family_s_places() -> None:
    """zillow-working-api puts searchResults at the top or below data."""
    assert 2 == load_source("zillow-working-api").read_page(fixture("zillow-working-api", page=2)).listings


@pytest.mark.parametrize("claim", ['"many"', "-1", "true", "null", "1.5", "[]"])
def test_a_claim_that_is_no_count_is_no_claim(claim: str) -> None:
    """totalPages that is not a whole number from 0 is unknown."""
    page = f'{{"results": [], "totalPages": {claim}}}'.encode()
    assert PageFacts(0, None, None) == load_source("zillow56").read_page(page)


@pytest.mark.parametrize(
    ("claim", "listings"),
    [(5, 5), ({"totalMatchingCount": 21_327, "scrapeable_count": 1000}, 21_327), ({"totalMatchingCount": "x"}, None)],
)
def test_a_claim_stands_at_the_first_place_that_has_a_number(claim: Any, listings: int | None) -> None:
    """zillow-working-api sends the count of its listings as a number or as one of an object."""
    page = json.dumps({"searchResults": [], "resultsCount": claim}).encode()
    assert PageFacts(0, None, listings) == load_source("zillow-working-api").read_page(page)


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b"", "empty", "the body is empty (0 bytes)"),
        (b"\r\n", "empty", "the body is empty (2 bytes)"),
        (b"<html><body>Bad\n Gateway</body></html>", "html", "<html><body>Bad Gateway</body></html>"),
        (b'{"results": [', "not_json", '{"results": ['),
        (b"\xff\xfe\xfa", "not_json", "\ufffd\ufffd\ufffd"),
        (b"[" * 100_000, "not_json", "[" * 500),
        (b'{"message": "Too many requests"}', "error_body", "Too many requests"),
        (
            b'{"messages": "The API is unreachable, please contact the API provider", "info": 1}',
            "error_body",
            "The API is unreachable, please contact the API provider",
        ),
        (b'{"error": {"code": 7}}', "error_body", '{"code": 7}'),
        (b'{"results": null}', "no_list", 'no list of listings at results: {"results": null}'),
        (b"[1, 2]", "no_list", "no list of listings at results: [1, 2]"),
        (
            b'{"message": "Successful.", "data": {"homes": [{"id": 1}]}}',
            "no_list",
            'no list of listings at results: {"message": "Successful.", "data": {"homes": [{"id": 1}]}}',
        ),
        (
            b'{"message": "ok", "props": []}',
            "no_list",
            'no list of listings at results: {"message": "ok", "props": []}',
        ),
        (b'{"message": "' + b"x" * 900 + b'"}', "error_body", "x" * 500),
    ],
)
def test_what_is_no_page_is_refused_in_the_api_s_own_words(body: bytes, reason: str, message: str) -> None:
    """Empty, HTML, broken, error bodies and pages of other APIs are told apart, with 500 characters of each."""
    with pytest.raises(NotAPage) as refused:
        load_source("zillow56").read_page(body)
    assert (reason, message) == (refused.value.reason, refused.value.message)


@pytest.mark.parametrize(
    ("status", "message", "permanent"),
    [
        (401, "Invalid API key. Go to the docs for more info.", True),
        (403, "You are not subscribed to this API.", True),
        (404, "no such endpoint", True),
        (429, "You have exceeded the rate limit per second for your plan, PRO, by the API provider", False),
        (429, "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC. Upgrade.", True),
        (429, "Too many requests", False),
        (408, "timed out", False),
        (502, "The API is unreachable, please contact the API provider", False),
        (200, "You are not subscribed to this API.", True),
        (200, "Too many requests", False),
    ],
)
def test_what_waiting_cannot_cure_is_permanent(status: int, message: str, permanent: bool) -> None:
    """Keys, subscriptions and monthly quotas are permanent; rates, time-outs and outages pass."""
    body = f'{{"message": "{message}"}}'.encode()
    assert permanent is load_source("zillow56").is_permanent(status, body)


def test_a_page_that_mentions_a_quota_is_still_a_page() -> None:
    """A street named like an error is no error."""
    body = b'{"results": [{"streetAddress": "1 Not Subscribed Ln"}]}'
    assert load_source("zillow56").is_permanent(200, body) is False


def with_searches(listing: Any) -> dict[str, Any]:
    """The zillow56 file with other searches."""
    return zillow56(request={**ZILLOW56["request"], "listing": listing})


def wrapped(not_listings: dict[str, Any]) -> dict[str, Any]:
    """The file of the family whose listings lie in items, with other marks of no listings."""
    document = yaml.safe_load((SOURCES_FOLDER / "zillow-working-api.yaml").read_text("utf-8"))
    return {**document, "not_listings": not_listings}


def with_request(**changes: Any) -> dict[str, Any]:
    """The zillow56 file with another request."""
    return zillow56(request={**ZILLOW56["request"], **changes})


def with_price(**changes: Any) -> dict[str, Any]:
    """The zillow56 file with another rule for the price."""
    return with_column("price", {"path": "price", "as": "number", **changes})


def with_column(name: str, rule: dict[str, Any]) -> dict[str, Any]:
    """The zillow56 file with one column's rule changed."""
    document = zillow56()
    document["columns"][name] = rule
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (zillow56(source="other"), "zillow56: source is 'other', expected the file's own name"),
        (zillow56(colour="red"), "zillow56: unknown key colour; there are columns, connection"),
        (zillow56(connection=None), "zillow56: connection is None, expected str"),
        (zillow56(listings={"at": []}), r"zillow56.listings.at: \[\], expected a list of texts"),
        (zillow56(request=5), "zillow56.request: 5, expected a mapping"),
        (zillow56(page_facts={"pages": "totalPages"}), "zillow56.page_facts: unknown key pages; there are total_list"),
        (zillow56(page_facts={"total_pages": []}), r"zillow56.page_facts.total_pages: \[\], expected a list of texts"),
        (with_searches({}), "zillow56.request.listing: empty; it says how to ask for one or more of sale, rent, sold"),
        (with_searches({"lease": {}}), "zillow56.request.listing: unknown key lease; there are rent, sale, sold"),
        (with_searches({"rent": "forRent"}), "zillow56.request.listing.rent: 'forRent', expected a mapping"),
        (zillow56(columns={}), "zillow56.columns: no rule for zpid, price, which the contract requires"),
        (
            with_column("cost", {"path": "cost", "as": "number"}),
            "zillow56.columns.cost: not a payload column of the contract; those are zpid, home_type",
        ),
        (
            with_column("raw_key", {"path": "key", "as": "text"}),
            "zillow56.columns.raw_key: not a payload column of the contract",
        ),
        (
            with_column("price", {"path": "price", "as": "cash"}),
            "zillow56.columns.price: unknown conversion 'cash'; there are number, money, area",
        ),
        (
            with_column("price", {"path": "price", "as": "text"}),
            r"zillow56.columns.price: 'text' makes string, the contract's column is decimal128\(14, 2\)",
        ),
        (
            with_column("home_type", {"path": "homeType", "as": "text", "map": "types", "unknown": "OTHER"}),
            r"zillow56.columns.home_type: map 'types' must be one of \['home_status', 'home_type'\]",
        ),
        (
            with_column("home_type", {"path": "homeType", "as": "text", "map": "home_type"}),
            "zillow56.columns.home_type: map and unknown go together",
        ),
        (
            with_column("lot_area_sqft", {"path": "lotAreaValue", "as": "area"}),
            "zillow56.columns.lot_area_sqft: an area has unit_path and units, money unit_path, and nothing else",
        ),
        (
            with_column("city", {"path": "address", "as": "address_part"}),
            "zillow56.columns.city: an address_part, and nothing else, has a part",
        ),
        (
            with_column("city", {"path": "city", "as": "text", "part": "city"}),
            "zillow56.columns.city: an address_part, and nothing else, has a part",
        ),
        (
            with_column("city", {"path": "address", "as": "address_part", "part": "town"}),
            "zillow56.columns.city: part is 'town', expected one of street, city, state, zipcode",
        ),
        (
            with_column("price", {"path": "address", "as": "address_part", "part": "city"}),
            r"zillow56.columns.price: 'address_part' makes string, the contract's column is decimal128\(14, 2\)",
        ),
        (
            with_column("zipcode", {"path": "price", "as": "text"}),
            "zillow56.columns: price reads price as number, zipcode as text",
        ),
        (zillow56(ignored="imgSrc"), "zillow56.ignored: 'imgSrc', expected a list of texts"),
        (zillow56(ignored=["imgSrc", "price"]), "zillow56.ignored: price overlaps with price, which is read already"),
        (zillow56(ignored=["lotAreaUnit"]), "zillow56.ignored: lotAreaUnit overlaps with lotAreaUnit, which is read"),
        (zillow56(ignored=["priceSuffix"]), "zillow56.ignored: priceSuffix overlaps with priceSuffix, which is read"),
        (
            zillow56(ignored=["listing_sub_type"]),
            "zillow56.ignored: listing_sub_type overlaps with listing_sub_type.is_newHome, which is read already",
        ),
        (zillow56(ignored=["price.value"]), "zillow56.ignored: price.value overlaps with price, which is read already"),
        (zillow56(ignored=["a.b", "a"]), "zillow56.ignored: a overlaps with a.b, which is ignored already"),
        (zillow56(ignored=["a", "a"]), "zillow56.ignored: a overlaps with a, which is ignored already"),
        (zillow56(not_listings=["isBuilding"]), r"zillow56.not_listings: \['isBuilding'\], expected a mapping"),
        (zillow56(not_listings={"": ["x"]}), "zillow56.not_listings: nothing stands at ''; expected names of fields"),
        (zillow56(not_listings={"a..b": ["x"]}), "zillow56.not_listings: nothing stands at 'a..b'"),
        (zillow56(not_listings={True: ["x"]}), "zillow56.not_listings: nothing stands at True"),
        (zillow56(listings={"at": [""]}), "zillow56.listings.at: nothing stands at ''"),
        (zillow56(listings={"at": ["data.0"]}), "zillow56.listings.at: nothing stands at 'data.0'"),
        (zillow56(listings={"at": ["results"], "each": "a.b"}), "zillow56.listings.each: 'a.b', expected one name"),
        (zillow56(page_facts={"total_pages": "pages[0]"}), r"zillow56.page_facts.total_pages: nothing stands at 'page"),
        (zillow56(errors={"message_at": ["errors.0.text"], "permanent": ["x"]}), "zillow56.errors.message_at: nothing"),
        (zillow56(flags={"new": "tags.0"}), "zillow56.flags.new: nothing stands at 'tags.0'"),
        (zillow56(ignored=["photos[0]"]), r"zillow56.ignored: nothing stands at 'photos\[0\]'"),
        (with_column("price", {"path": "prices.0", "as": "number"}), "zillow56.columns.price: nothing stands at"),
        *(
            (
                with_column(
                    "lot_area_sqft",
                    {"path": "lotAreaValue", "as": "area", "unit_path": "lotAreaUnit", "units": {"acres": factor}},
                ),
                "zillow56.columns.lot_area_sqft.units: 'acres': .*, expected a unit's name and how many square feet",
            )
            for factor in ("43560", True, 0, -1, float("inf"), float("nan"))
        ),
        (
            with_column(
                "lot_area_sqft", {"path": "lotAreaValue", "as": "area", "unit_path": "lotAreaUnit", "units": {}}
            ),
            "zillow56.columns.lot_area_sqft.units: empty; it says how many",
        ),
        *(
            (zillow56(listings={"at": [path]}), "zillow56.listings.at: nothing stands at")
            for path in (" results", "results ", "data.\nresults", "data.*", "data. results")
        ),
        (zillow56(listings={"at": ["results"], "each": " home"}), "zillow56.listings.each: nothing stands at ' home'"),
        *(
            (
                with_price(null_values=values),
                "zillow56.columns.price: null_values is .*, expected a list of whole numbers and texts",
            )
            for values in ("x", [None], [0.5], [True], [float("nan")], [[1]], {"a": 1})
        ),
        (
            with_column("is_auction", {"path": "isAuction", "as": "flag", "null_values": [0]}),
            "zillow56.columns.is_auction: null_values is .*, expected a list of true or false",
        ),
        (with_price(null_of_homes=0), "zillow56.columns.price: null_of_homes is 0, expected a list of whole numbers"),
        (zillow56(maps=["a"]), r"zillow56.maps: \['a'\], expected a mapping"),
        (zillow56(maps={"home_type": {}}), "zillow56.maps.home_type: empty; it translates"),
        (zillow56(maps={"home_type": {False: "LOT"}}), "zillow56.maps.home_type: False: 'LOT', expected two texts"),
        (zillow56(maps={"home_type": {"LOT": None}}), "zillow56.maps.home_type: 'LOT': None, expected two texts"),
        (with_request(method="POST"), "zillow56.request: method is 'POST', expected 'GET'"),
        *(
            (with_request(path=path), "zillow56.request: path is .*, expected one that begins at the host")
            for path in ("search", "//example.com/search", "http://example.com/search", "/search?a=b", "/a b", "")
        ),
        (with_request(page_cap=0), "zillow56.request: page_cap is 0, expected 1 or more"),
        (with_request(page_cap=True), "zillow56.request: page_cap is True, expected int"),
        (with_request(params={"output": True}), "zillow56.request.params: 'output': True, expected a text or a number"),
        (with_request(params={"output": None}), "zillow56.request.params: 'output': None, expected a text or a number"),
        (with_searches({"rent": {"isRent": True}}), "zillow56.request.listing.rent: 'isRent': True, expected a text"),
        (zillow56(not_listings={"kind": []}), r"zillow56.not_listings.kind: \[\], expected a list of texts, true or"),
        (zillow56(not_listings={"kind": "group"}), "zillow56.not_listings.kind: 'group', expected a list"),
        (zillow56(not_listings={"kind": [None]}), r"zillow56.not_listings.kind: \[None\], expected a list"),
        (zillow56(not_listings={"kind": [["a"]]}), r"zillow56.not_listings.kind: \[\['a'\]\], expected a list"),
        (
            zillow56(not_listings={"price.of": ["a"]}),
            "zillow56.not_listings: price.of matches nothing, as price is read",
        ),
        (
            zillow56(not_listings={"listing_sub_type": ["a"]}),
            "zillow56.not_listings: listing_sub_type matches nothing, as listing_sub_type.is_newHome is read",
        ),
        (zillow56(not_listings={"a": ["x"], "a.b": ["x"]}), "zillow56.not_listings: a.b matches nothing, as a is read"),
        (zillow56(not_listings={"imgSrc": ["x"]}), "zillow56.ignored: imgSrc overlaps with imgSrc, which is read"),
        (
            wrapped({"property": ["x"]}),
            "zillow-working-api.not_listings: property matches nothing, as property.zpid is read",
        ),
        (
            wrapped({"property.price": ["x"]}),
            "zillow-working-api.not_listings: property.price matches nothing, as property.price.value is read",
        ),
        (wrapped({"property.media": ["x"]}), "zillow-working-api.ignored: media overlaps with media, which is read"),
        (zillow56(expected=[]), r"zillow56.expected: \[\], expected a list of texts"),
        (zillow56(expected=["prize"]), "zillow56.expected: prize has no rule; columns with one are zpid, home_type"),
        (zillow56(expected=["year_built"]), "zillow56.expected: year_built has no rule"),
        (zillow56(expected=["is_auction"]), "zillow56.expected: is_auction is a flag, which is false where nothing is"),
        (zillow56(expected=["price", "zpid", "price"]), "zillow56.expected: price stands there twice"),
    ],
)
def test_an_adapter_that_is_not_understood_is_refused(document: dict[str, Any], message: str) -> None:
    """A mistake in the file is named with its place, what was found and what was expected."""
    with pytest.raises(AdapterError, match=message):
        parse_adapter(document["source"] if document["source"] in known_sources() else "zillow56", document)


@pytest.mark.parametrize("name", known_sources())
def test_a_compiled_adapter_holds_no_secret_and_no_request(name: str) -> None:
    """The transform gets what it needs to read listings, and nothing that asks for them."""
    parts = {"source", "listings_at", "each", "columns", "flags", "maps", "ignored", "expected", "not_listings"}
    assert parts == set(compile_source(name))


def test_an_ignored_path_beside_a_read_one_is_fine() -> None:
    """Names that begin alike, and fields beside others in one object, do not overlap."""
    paths = ("prices", "listing_sub_type.is_FSBA", "a.b", "a.bc")
    assert paths == parse_adapter("zillow56", zillow56(ignored=list(paths))).ignored


def test_a_family_need_not_say_what_it_ignores_or_expects() -> None:
    """Both lists may be left out: then every field that no column reads is news, and no column is missed."""
    document = zillow56()
    del document["ignored"], document["expected"]
    adapter = parse_adapter("zillow56", document)
    assert ((), ()) == (adapter.ignored, adapter.expected)
