"""What a user names becomes a request plan, and each market a name that no other market has."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.base.markets import LONGEST_MARKET, slug
from include.base.receipts import ExtractRequest
from include.base.refusals import PlanRefused
from include.base.searches import SEARCHES, listing_of, market_of
from include.contract.families import UnknownSource
from include.extract.plan import plan, refuse_far_date

RUN_AFTER = datetime(2026, 11, 22, 6, 0, 3, tzinfo=UTC)
TOLERANCE = timedelta(hours=36)
ODD = [
    "o'fallon, mo",
    'st. "louis", mo',
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "winston-salem, nc",
    "houston-tx",
    "houston|2026-11-22",
    "x~y",
    "a\nb",
    "tab\tbed",
    "\x00",
    "🏠",
    "🏠🏠",
    "東京",
    "são paulo",
    "area³",
    "deadbeef",
    "-",
    "--",
    ",",
    ", ,",
    "'",
    "\u200b",
    "houston, tx" * 1000,
    "z" * 10_000,
    "z" * 9_999,
    "z" * 80,
    "z" * 81,
    "houston, tx rent",
    "houston, tx sold",
    "sold",
]
LOCATIONS = st.one_of(
    st.text(min_size=1, max_size=40), st.text("ab-., '/", min_size=1, max_size=8), st.sampled_from(ODD)
)


def request_plan(**changes: Any) -> list[ExtractRequest]:
    """The plan of an ordinary run, but for what is changed."""
    ordinary: dict[str, Any] = {
        "source": "zillow56",
        "locations": ["houston, tx", "austin, tx"],
        "page_limit": 20,
        "partition_key": "2026-11-22",
        "run_after": RUN_AFTER,
        "run_id": "manual__example",
        "started_at": RUN_AFTER,
        "tolerance": TOLERANCE,
        "most": 1024,
    }
    return plan(**(ordinary | changes))


def essence(location: str) -> str:
    """A location without what two spellings of one market may differ in: case, spaces and commas."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", location).casefold())
    return "".join(each for each in folded if each != "," and not each.isspace())


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("houston, tx", "houston-tx"),
        ("Houston, TX", "houston-tx"),
        ("  HOUSTON ,TX ", "houston-tx"),
        ("Houston TX", "houston-tx"),
        ("new york, ny", "new-york-ny"),
        ("77008", "77008"),
    ],
)
def test_a_market_has_a_plain_name(location: str, expected: str) -> None:
    """However a market is spelt in case, spaces and commas, its name in keys is the same and readable."""
    assert expected == slug(location)


@pytest.mark.parametrize("location", ODD)
def test_an_odd_location_still_has_a_name_fit_for_a_key(location: str) -> None:
    """Quotes, slashes, dots, newlines, emoji or 10,000 characters give 1 to 90 of a-z, 0-9 and dashes."""
    assert re.fullmatch(r"[a-z0-9-]{1,90}", slug(location))


@given(LOCATIONS)
def test_any_location_has_a_name_fit_for_a_key(location: str) -> None:
    """Whatever text it is, its name is 1 to 90 of a-z, 0-9 and dashes, and always the same."""
    assert re.fullmatch(r"[a-z0-9-]{1,90}", slug(location))
    assert slug(location) == slug(location)


@given(LOCATIONS, LOCATIONS)
@example("houston-tx", "houston, tx")
@example("winston-salem, nc", "winston salem, nc")
@example("a/b", "a.b")
@example("area³", "area3")
@example("🏠", "🏡")
@example("z" * 10_000, "z" * 9_999)
@example("z" * 80, "z" * 81)
@example("-", "--")
def test_two_markets_never_share_a_name(one: str, other: str) -> None:
    """Locations that differ in more than case, spaces and commas have different names."""
    if essence(one) != essence(other):
        assert slug(one) != slug(other)


@given(LOCATIONS, LOCATIONS, st.sampled_from(SEARCHES), st.sampled_from(SEARCHES))
@example("houston, tx rent", "houston, tx", "sale", "rent")
@example("houston, tx sold", "houston, tx", "sale", "sold")
@example("houston, tx rent", "houston, tx", "rent", "sold")
def test_two_searches_never_share_a_market(one: str, other: str, its: str, others: str) -> None:
    """Places or searches that differ make markets that differ, and a market's name tells its search."""
    market = market_of(slug(one), its)
    if (essence(one), its) != (essence(other), others):
        assert market != market_of(slug(other), others)
    assert its == listing_of(market)
    assert len(market) <= LONGEST_MARKET


@given(LOCATIONS)
def test_nobody_can_name_another_markets_hash(location: str) -> None:
    """A location spelt like the name of another one gets a name of its own."""
    spelt = slug(location)
    if essence(spelt) != essence(location):
        assert spelt != slug(spelt)


def test_each_market_is_a_request_for_the_same_date() -> None:
    """A plan has one request per market, in the order given, as the operator needs it."""
    common = {
        "source": "zillow56",
        "date": "2026-11-22",
        # printf manual__example | sha256sum
        "extract_id": "20261122T060003Z-516831",
        "run_id": "manual__example",
        "page_limit": 20,
        "date_override": None,
    }
    expected = [
        ExtractRequest(market="houston-tx", location="houston, tx", **common),
        ExtractRequest(market="austin-tx", location="austin, tx", **common),
    ]

    assert expected == request_plan()


@pytest.mark.parametrize(
    ("listing", "market", "name"),
    [
        ("sale", "houston-tx", "houston, tx"),
        ("rent", "houston-tx-rent", "houston, tx (rent)"),
        ("sold", "houston-tx-sold", "houston, tx (sold)"),
    ],
)
def test_each_search_is_a_market_of_its_own(listing: str, market: str, name: str) -> None:
    """Its slug ends with what was searched for, but for homes for sale, and so does its name."""
    [request] = request_plan(locations=["houston, tx"], listing=listing)

    assert (listing, market, name) == (request.listing, request.market, request.market_name)


def test_a_request_from_before_searches_is_for_sale() -> None:
    """A task that was planned before the field and is cleared now fetches what it was planned for."""
    [request] = request_plan(locations=["houston, tx"])
    old = request.to_dict()
    del old["listing"]

    assert request == ExtractRequest.from_dict(old)


@pytest.mark.parametrize(("source", "listing"), [("zillow-com4", "rent"), ("zillow-com4", "sold"), ("zillow56", "x")])
def test_a_search_that_the_family_does_not_offer_is_refused(source: str, listing: str) -> None:
    """The refusal names search, family and what the family offers."""
    with pytest.raises(PlanRefused, match=f"listing '{listing}': {source} is not known to offer .*, but sale"):
        request_plan(source=source, listing=listing)


def test_a_run_without_a_key_is_for_its_own_day_in_utc() -> None:
    """Without a partition key the date is that of run_after, counted in UTC."""
    late = datetime.fromisoformat("2026-11-22T23:30:00-06:00")

    assert {"2026-11-23"} == {each.date for each in request_plan(partition_key=None, run_after=late, started_at=late)}


@pytest.mark.parametrize(
    ("started_at", "taken"),
    [
        ("2026-11-20T11:59:59.999999+00:00", False),
        ("2026-11-20T12:00:00+00:00", True),
        ("2026-11-22T00:00:00+00:00", True),
        ("2026-11-24T11:59:59.999999+00:00", True),
        ("2026-11-24T12:00:00+00:00", False),
        ("2027-11-22T12:00:00+00:00", False),
    ],
)
def test_a_date_is_taken_within_36_hours_of_its_day(started_at: str, taken: bool) -> None:
    """36 hours before the day begins are in, 36 hours after it ended are out, to the microsecond."""
    moment = datetime.fromisoformat(started_at)
    if taken:
        assert 2 == len(request_plan(started_at=moment))
        refuse_far_date("2026-11-22", moment, None, TOLERANCE)
    else:
        words = r"2026-11-22 is more than 36 hours .* load past dates again from raw"
        with pytest.raises(PlanRefused, match=words):
            request_plan(started_at=moment)
        with pytest.raises(PlanRefused, match=words):
            refuse_far_date("2026-11-22", moment, None, TOLERANCE)
        refuse_far_date("2026-11-22", moment, "the API was down that day", TOLERANCE)


def test_a_reason_overrides_the_date_and_is_recorded() -> None:
    """With a reason any date is taken, and every request carries the reason."""
    far = request_plan(partition_key="2020-02-29", date_override="the API was down that day")

    assert {("2020-02-29", "the API was down that day")} == {(each.date, each.date_override) for each in far}


def test_an_empty_reason_is_none() -> None:
    """A form field left empty overrides nothing."""
    with pytest.raises(PlanRefused, match="more than 36 hours"):
        request_plan(partition_key="2020-02-29", date_override="")


@pytest.mark.parametrize("partition_key", ["today", "2026-13-01", "22.11.2026", "zillow56/houston-tx|2026-11-22"])
def test_a_partition_key_that_is_no_date_is_refused(partition_key: str) -> None:
    """A partition key that names no date says what was expected and what came."""
    with pytest.raises(PlanRefused, match=f"partition key {re.escape(repr(partition_key))}: expected a date like"):
        request_plan(partition_key=partition_key)


@pytest.mark.parametrize("again", ["houston, tx", "Houston, TX", " HOUSTON tx"])
def test_a_market_named_twice_is_refused(again: str) -> None:
    """Two spellings of one market would fetch it twice: the plan names both."""
    with pytest.raises(PlanRefused, match=f"market '{again.strip()}' is named twice .*'houston, tx'"):
        request_plan(locations=["houston, tx", "austin, tx", again])


@pytest.mark.parametrize(("most", "is_planned"), [(1100, True), (1099, False)])
def test_more_markets_than_airflow_maps_are_refused(most: int, is_planned: bool) -> None:
    """1,100 markets are planned where Airflow makes as many tasks of one, else refused with both numbers."""
    locations = [f"town {number}, tx" for number in range(1100)]
    if is_planned:
        assert 1100 == len(request_plan(locations=locations, most=most))
    else:
        with pytest.raises(PlanRefused, match="1100 markets are named, and Airflow makes 1099 tasks of one at most"):
            request_plan(locations=locations, most=most)


def test_no_market_is_refused() -> None:
    """A plan for nobody says what to give."""
    with pytest.raises(PlanRefused, match="no market named: give at least one"):
        request_plan(locations=[])


@pytest.mark.parametrize("location", ["", "   ", ",", "houston\ntx", "hou\x00ston", "x" * 121, "houston, tx" * 1000])
def test_a_location_that_no_person_means_is_refused(location: str) -> None:
    """No letter, several lines, control characters or too long: refused with what was expected, and shown shortened."""
    with pytest.raises(PlanRefused, match="expected one line of 1 to 120 printable") as refused:
        request_plan(locations=["austin, tx", location])
    assert len(str(refused.value)) < 300


def test_an_unknown_source_names_those_there_are() -> None:
    """A family without an adapter is refused with the list of families."""
    with pytest.raises(UnknownSource, match=r"'zillow57'; known: .*zillow56"):
        request_plan(source="zillow57")


@pytest.mark.parametrize(("asked", "expected"), [(1, 1), (20, 20), (500, 20)])
def test_no_more_pages_are_asked_than_the_api_shows(asked: int, expected: int) -> None:
    """The page limit is the user's, but never above the family's cap of 20."""
    assert {expected} == {each.page_limit for each in request_plan(page_limit=asked)}


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_any_day_is_taken_on_that_day(day: date) -> None:
    """A run on the very day of its key is never refused."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    assert {day.isoformat()} == {each.date for each in request_plan(partition_key=day.isoformat(), started_at=noon)}
