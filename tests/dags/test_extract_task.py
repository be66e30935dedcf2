"""The mapped extraction of one market, against the real listing API and a real S3."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from include.base.keys import SetKey
from include.base.refusals import Refused
from include.base.searches import market_of
from include.contract.families import UnknownSource
from include.extract.operator import LandListingsOperator
from tests.support.backends import API_KEY, DATE, EXTRACT_ID, PAGE_SIZE, Extraction, environment
from tests.support.loopback import Answer, ScriptedServer

PREFIX = f"listings/source=zillow56/market=houston-tx/date={DATE}/extract={EXTRACT_ID}/"
FAR = datetime(2026, 11, 24, 12, tzinfo=UTC)
ERRORS = PREFIX.replace("listings/", "errors/", 1)
THREE_PAGES = ["_manifest.json", "page-0001.json", "page-0002.json", "page-0003.json"]
ASKED_ONCE = {f"zillow56/houston-tx/{number}": 1 for number in (1, 2, 3)}
PERMANENT = [
    pytest.param(
        {"status": 403, "body": {"message": "You are not subscribed to this API."}}, "You are not subscribed", id="403"
    ),
    pytest.param({"status": 401, "body": {"message": "Invalid API key"}}, "HTTP 401: Invalid API key", id="401"),
    pytest.param(
        {"status": 429, "body": {"message": "You have exceeded the MONTHLY quota for Requests"}},
        "HTTP 429: You have exceeded the MONTHLY quota",
        id="monthly quota",
    ),
    pytest.param({"status": 404, "body": "<html>gone</html>"}, "HTTP 404: html: <html>gone</html>", id="404"),
]
NOT_PAGES = [
    pytest.param({"body": {"message": "Something went wrong"}}, "Something went wrong", id="error body with 200"),
    pytest.param({"body": "<html>maintenance</html>"}, "html: <html>maintenance</html>", id="html"),
    pytest.param({"body": ""}, "empty: ", id="empty"),
    pytest.param({"raw_body_bytes": 500}, "empty: ", id="blank"),
    pytest.param({"truncate_at": 200}, "not_json: ", id="cut off unnoticed"),
]


def test_a_market_lands_page_by_page_and_its_manifest_last(extraction: Extraction) -> None:
    """Each page is in S3 as the API sent it, asked for once; the manifest names them and was put last."""
    extraction.run()

    assert (THREE_PAGES, ASKED_ONCE) == (extraction.names(), extraction.asked())
    manifest = json.loads(extraction.body(PREFIX + "_manifest.json"))
    bodies = [extraction.body(PREFIX + each["name"]) for each in manifest["pages"]]
    assert [(len(body), sha256(body).hexdigest()) for body in bodies] == [
        (each["bytes"], each["sha256"]) for each in manifest["pages"]
    ]
    assert [PAGE_SIZE] * 3 == [len(json.loads(body)["results"]) for body in bodies]
    assert (30, 3, 20) == (manifest["listings"], manifest["pages_limit"], manifest["pages_claimed"])
    times = {
        each["Key"]: each["LastModified"]
        for each in extraction.s3.list_objects_v2(Bucket=extraction.bucket)["Contents"]
    }
    assert max(times.values()) == times[PREFIX + "_manifest.json"]


def test_the_manifest_says_when_each_page_was_seen(extraction: Extraction) -> None:
    """observed_at is when the first page came by our clock; served_at is the API's clock, which a person may set."""
    extraction.api.put("/_control/clock", json={"now": "2027-03-01T06:00:00Z"}).raise_for_status()
    extraction.run(page_limit=2, date_override="the API's clock is set")

    manifest = json.loads(extraction.body(PREFIX + "_manifest.json"))
    received = [each["received_at"] for each in manifest["pages"]]
    assert (received[0], received[-1]) == (manifest["observed_at"], manifest["completed_at"])
    assert sorted(received) == received
    assert ["2027-03-01T06:00"] * 2 == [each["served_at"][:16] for each in manifest["pages"]]
    assert {"limit", "remaining", "reset"} == set(manifest["quota"])


def test_the_task_announces_its_own_partition(extraction: Extraction) -> None:
    """The event has the key of this market and date, and the receipt that XCom gets; both are small."""
    receipt = extraction.run(page_limit=20)

    partitions, extra = extraction.announced()
    assert ({f"zillow56/houston-tx|{DATE}"}, receipt) == (partitions, extra)
    assert (20, 200, 20) == (receipt["pages"], receipt["listings"], receipt["pages_claimed"])
    manifest = extraction.body(PREFIX + "_manifest.json")
    assert sha256(manifest).hexdigest() == receipt["manifest_sha256"]
    assert len(json.dumps(receipt)) < 1_000 < 10_000 < len(manifest) * 20


@pytest.mark.parametrize(
    ("location", "market", "listings", "pages"),
    [("monowi, ne", "monowi-ne", 1, 1), ("lost springs, wy", "lost-springs-wy", 0, 1)],
)
def test_a_tiny_market_is_complete(
    extraction: Extraction, location: str, market: str, listings: int, pages: int
) -> None:
    """A market of one listing or none is a complete set; nothing is asked for after its last page."""
    receipt = extraction.run(location)

    assert (listings, pages) == (receipt["listings"], receipt["pages"])
    assert {f"zillow56/{market}/1": 1} == extraction.asked()


@pytest.mark.parametrize(
    ("source", "listing", "status"),
    [
        ("zillow56", "rent", {"FOR_RENT"}),
        ("zillow56", "sold", {"RECENTLY_SOLD"}),
        ("zillow56", "sale", {"FOR_SALE"}),
    ],
)
def test_a_search_lands_in_a_market_of_its_own(
    extraction: Extraction, source: str, listing: str, status: set[str]
) -> None:
    """The API is asked for what the request says, its listings are of that kind, and so says the manifest."""
    market = market_of("houston-tx", listing)
    extraction.run(source=source, market=market, listing=listing, page_limit=1)

    prefix = SetKey(source, market, DATE, EXTRACT_ID).prefix
    page, manifest = (json.loads(extraction.body(prefix + name)) for name in ("page-0001.json", "_manifest.json"))
    assert status == {each["homeStatus"] for each in page["results"]}
    assert (listing, "houston, tx") == (manifest["listing"], manifest["location"])
    assert {f"{source}/{market}|{DATE}"} == extraction.announced()[0]


def test_a_search_that_fails_names_itself(extraction: Extraction) -> None:
    """The error of a search for rent is not taken for that of homes for sale."""
    extraction.fault({"status": 403, "body": {"message": "You are not subscribed to this API."}})

    with pytest.raises(AirflowFailException, match=r"houston, tx \(rent\) \(zillow56\), page 1"):
        extraction.run(market="houston-tx-rent", listing="rent")


def test_the_other_family_needs_no_other_code(extraction: Extraction) -> None:
    """zillow-com4 is asked through its own connection and lands under its own source."""
    receipt = extraction.run(source="zillow-com4", page_limit=2)

    assert ["_manifest.json", "page-0001.json", "page-0002.json"] == extraction.names(source="zillow-com4")
    assert {f"zillow-com4/houston-tx|{DATE}"} == extraction.announced()[0]
    assert receipt["listings"] > 0


@pytest.mark.parametrize(("fault", "words"), PERMANENT)
def test_what_waiting_does_not_cure_fails_at_once(extraction: Extraction, fault: dict[str, object], words: str) -> None:
    """A refusal fails the task without a retry, with the API's own words, and leaves no page and no manifest."""
    extraction.fault({**fault, "times": None})

    with pytest.raises(AirflowFailException, match=r"houston, tx \(zillow56\), page 1: .*Nothing landed yet") as failed:
        extraction.run()
    assert words in str(failed.value)
    assert ([], {"zillow56/houston-tx/1": 1}) == (extraction.names(), extraction.asked())
    [kept] = extraction.landed("errors/")
    assert kept.startswith(f"{ERRORS}page-0001-{fault['status']}-")
    assert set() == extraction.announced()[0]


@pytest.mark.parametrize(("fault", "words"), NOT_PAGES)
def test_what_is_no_page_fails_the_market(extraction: Extraction, fault: dict[str, object], words: str) -> None:
    """An answer with status 200 that holds no listings fails with its words, and never becomes data."""
    extraction.fault({**fault, "page": 2})

    with pytest.raises(AirflowException, match=r"page 2: .*Pages 1 to 1 are kept; clear this task") as failed:
        extraction.run()
    assert words in str(failed.value)
    assert (["page-0001.json"], set()) == (extraction.names(), extraction.announced()[0])
    [kept] = extraction.landed("errors/")
    assert kept.startswith(ERRORS + "page-0002-200-")


def test_the_answer_that_failed_is_kept_for_a_look(extraction: Extraction) -> None:
    """The body lies under errors/, where the message says; no key is in either."""
    extraction.fault({"page": 2, "status": 403, "body": {"message": "You are not subscribed to this API."}})

    with pytest.raises(AirflowFailException) as failed:
        extraction.run()
    [kept] = extraction.landed("errors/")
    assert kept.startswith(ERRORS + "page-0002-403-")
    assert b'{"message": "You are not subscribed to this API."}' == extraction.body(kept)
    assert f"s3://{extraction.bucket}/{kept}" in str(failed.value)
    assert API_KEY not in str(failed.value)


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "HTTP 401: Invalid API key"), ("wrong", "HTTP 403: You are not subscribed")],
)
def test_a_missing_or_wrong_key_is_said_so(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch, key: str, words: str
) -> None:
    """Without a key, or with one that the API does not know, the API's own words are the error."""
    for name, value in environment(extraction.api, extraction.aws, extraction.bucket, key).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(AirflowFailException, match=words):
        extraction.run()
    assert [] == extraction.names()


def test_the_key_follows_no_redirect(extraction: Extraction) -> None:
    """An answer that points elsewhere fails the market: nobody else is asked, and so nobody else gets the key."""
    with ScriptedServer([Answer(200, b'{"results": []}')]) as elsewhere:
        extraction.fault({"status": 302, "headers": {"Location": elsewhere.url}, "body": {"message": "moved"}})

        with pytest.raises(AirflowException, match="page 1: HTTP 302: moved"):
            extraction.run()
    assert ([], []) == (elsewhere.asked, extraction.names())


def test_too_many_requests_are_waited_for_inside_the_call(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 429 with Retry-After costs as long as it says and a repeated request, no try of the task; its body is kept."""
    extraction.fault(
        {"page": 2, "status": 429, "headers": {"Retry-After": "2"}, "body": {"message": "Too many requests"}}
    )

    told: list[str] = []
    monkeypatch.setattr(LandListingsOperator, "_tell", lambda task, words: told.append(words))
    started = time.monotonic()
    assert 3 == extraction.run()["pages"]
    assert time.monotonic() - started >= 2
    assert ["HTTP 429: asking again in 2 s, 120 s of patience left"] == told
    assert {**ASKED_ONCE, "zillow56/houston-tx/2": 2} == extraction.asked()
    [kept] = extraction.landed("errors/")
    assert kept.startswith(ERRORS + "page-0002-429-")


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}, {"cut_at": 200}], ids=["503", "reset", "cut off"])
def test_what_passes_is_repeated_inside_the_call(extraction: Extraction, fault: dict[str, object]) -> None:
    """A 5xx, a reset and a body cut off in the middle are asked for again, and the set is complete."""
    extraction.fault({**fault, "page": 1})

    assert 3 == extraction.run()["pages"]
    assert {**ASKED_ONCE, "zillow56/houston-tx/1": 2} == extraction.asked()


def test_patience_ends(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that goes on failing fails the task when the patience is used up, with its status."""
    monkeypatch.setenv("LISTINGS_API_PATIENCE", "0.5")
    extraction.fault({"status": 503, "body": {"message": "try later"}, "times": None})

    with pytest.raises(AirflowException, match="page 1: HTTP 503: try later"):
        extraction.run()
    assert {"zillow56/houston-tx/1": 1} == extraction.asked()


def test_a_cleared_task_asks_only_for_what_is_missing(extraction: Extraction) -> None:
    """After a failure on page 3 the next try asks for pages 3 to 5 only, and the pages of before are kept."""
    extraction.fault({"page": 3, "status": 403, "body": {"message": "no"}})
    with pytest.raises(AirflowFailException, match=r"page 3: .*Pages 1 to 2 are kept"):
        extraction.run(page_limit=5)
    assert ASKED_ONCE == extraction.asked()
    before = extraction.body(PREFIX + "page-0001.json")

    receipt = extraction.run(page_limit=5)

    assert {f"zillow56/houston-tx/{number}": 1 for number in (3, 4, 5)} == extraction.asked()
    assert (5, 50, before) == (receipt["pages"], receipt["listings"], extraction.body(PREFIX + "page-0001.json"))
    first = json.loads(extraction.body(PREFIX + "_manifest.json"))["pages"][0]
    assert sha256(before).hexdigest() == first["sha256"]
    assert first["served_at"] is not None


def test_a_try_that_died_before_its_manifest_asks_for_nothing(extraction: Extraction) -> None:
    """Where every page is there and only the manifest lacks, it is put without a request."""
    first = extraction.run()
    extraction.asked()
    extraction.s3.delete_object(Bucket=extraction.bucket, Key=PREFIX + "_manifest.json")

    again = extraction.run()

    assert ({}, THREE_PAGES) == (extraction.asked(), extraction.names())
    # Only the quota that the API told is not known any more.
    assert {**first, "manifest_sha256": ""} == {**again, "manifest_sha256": ""}


def test_a_complete_set_is_only_announced_again(extraction: Extraction) -> None:
    """Run again it asks for nothing, changes nothing, and gives the same receipt and event."""
    first = extraction.run()
    extraction.asked()
    manifest = extraction.body(PREFIX + "_manifest.json")

    assert first == extraction.run()
    assert ({}, manifest) == (extraction.asked(), extraction.body(PREFIX + "_manifest.json"))
    assert ({f"zillow56/houston-tx|{DATE}"}, first) == extraction.announced()
    assert first == extraction.run(page_limit=5), "a complete set is complete, whatever is asked of it later"
    assert {} == extraction.asked()


def test_a_task_cleared_days_later_asks_for_nothing(extraction: Extraction) -> None:
    """What the API serves now is another day's: a far date is refused as in the plan, whatever is there already."""
    with pytest.raises(Refused, match=f"{DATE} is more than 36 hours from 2026-11-24 12:00 UTC"):
        extraction.run(started_at=FAR)
    assert ({}, []) == (extraction.asked(), extraction.names())

    extraction.fault({"page": 3, "status": 403, "body": {"message": "no"}})
    with pytest.raises(AirflowFailException, match="page 3"):
        extraction.run(started_at=FAR - timedelta(seconds=1))
    extraction.asked()
    with pytest.raises(Refused, match="more than 36 hours"):
        extraction.run(started_at=FAR)
    assert ({}, ["page-0001.json", "page-0002.json"]) == (extraction.asked(), extraction.names())
    assert set() == extraction.announced()[0]


def test_a_reason_lets_a_far_date_be_asked_for(extraction: Extraction) -> None:
    """With a reason the pages are asked for on whatever day, and the manifest records the reason."""
    assert 3 == extraction.run(started_at=FAR, date_override="the API was down that day")["pages"]
    manifest = json.loads(extraction.body(PREFIX + "_manifest.json"))
    assert "the API was down that day" == manifest["date_override"]


def test_a_complete_set_is_announced_on_whatever_day(extraction: Extraction) -> None:
    """Where nothing is to be asked, a far date is no matter: also where only the manifest lacks."""
    first = extraction.run()
    extraction.asked()

    assert first == extraction.run(started_at=FAR)
    assert ({f"zillow56/houston-tx|{DATE}"}, first) == extraction.announced()
    extraction.s3.delete_object(Bucket=extraction.bucket, Key=PREFIX + "_manifest.json")
    extraction.run(started_at=FAR)
    assert ({}, THREE_PAGES) == (extraction.asked(), extraction.names())
    assert {f"zillow56/houston-tx|{DATE}"} == extraction.announced()[0]


def test_a_location_the_api_does_not_know_fails_in_its_words(extraction: Extraction) -> None:
    """What the API calls a bad request is the task's error."""
    with pytest.raises(AirflowFailException, match=r"atlantis \(zillow56\), page 1: HTTP 400: "):
        extraction.run("atlantis")


def test_an_unknown_source_names_those_there_are(extraction: Extraction) -> None:
    """A request for a family without an adapter is refused before anything is asked."""
    with pytest.raises(UnknownSource, match=r"'zillow57'; known: "):
        extraction.run(source="zillow57")
    assert {} == extraction.asked()


def test_without_a_bucket_nothing_is_paid_for(extraction: Extraction) -> None:
    """Where pages cannot be stored, none is asked for."""
    extraction.s3.delete_bucket(Bucket=extraction.bucket)

    with pytest.raises(ClientError, match="NoSuchBucket"):
        extraction.run()
    assert {} == extraction.asked()


def test_the_environment_of_the_tests_is_their_own(extraction: Extraction) -> None:
    """Connections and settings point to this machine only."""
    assert {"127.0.0.1"} == {
        json.loads(value)["host"] for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_ZILLOW")
    }
    assert extraction.aws.endpoint.startswith("http://127.0.0.1:")
