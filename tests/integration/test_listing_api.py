"""The listing API as a process on loopback: keys, quota, rate, paging, faults, clock, recordings."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.listing_api.market import listings_on
from tests.support.listing_api_server import ROOT, command, serving

KEY = "example-key-not-real"
ASK_56 = {"x-rapidapi-key": KEY, "x-rapidapi-host": "zillow56.p.rapidapi.com"}
ASK_COM4 = {"x-rapidapi-key": KEY, "x-rapidapi-host": "zillow-com4.p.rapidapi.com"}
FLAT = b'{ "results": [ {"zpid": 1} ],  "resultsPerPage": 41, "totalPages": 20, "totalResultCount": 13798 }'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("state"), "--rate", 0, "--dirty", 0) as client:
        yield client


@pytest.fixture
def api(shared: httpx.Client) -> httpx.Client:
    """The shared server, as new, on 20 November 2026 at six in the morning."""
    shared.post("/_control/reset").raise_for_status()
    shared.put("/_control/clock", json={"now": "2026-11-20T06:00:00Z"}).raise_for_status()
    return shared


def _search(client: httpx.Client, location: str = "austin, tx", page: object = 1, **more: object) -> httpx.Response:
    params = {"location": location, "page": page, "output": "json", "status": "forSale", **more}
    return client.get("/search", params=params, headers=ASK_56)  # type: ignore[arg-type]


def _requests(client: httpx.Client) -> dict[str, Any]:
    report: dict[str, Any] = client.get("/_control/requests").json()
    return report


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"x-rapidapi-key": None}, 401, "Invalid API key. Go to"),
        ({"x-rapidapi-key": "another-key-not-real"}, 403, "You are not subscribed to this API."),
        ({"x-rapidapi-host": None}, 404, "expected one of zillow56.p.rapidapi.com, zillow-com4.p.rapidapi.com"),
        ({"x-rapidapi-host": "zillow-com4.p.rapidapi.com"}, 404, "expected GET /properties/search"),
    ],
)
def test_a_request_without_the_right_key_and_host_is_refused(
    api: httpx.Client, headers: dict[str, str | None], status: int, words: str
) -> None:
    """A missing or unknown key, a missing host and another family's host are refused in clear words, unpaid."""
    sent = {name: value for name, value in (ASK_56 | headers).items() if value is not None}
    answer = api.get("/search", params={"location": "austin, tx"}, headers=sent)
    assert status == answer.status_code
    assert words in answer.json()["message"]
    assert "9999" == _search(api).headers["x-ratelimit-requests-remaining"]


def test_pages_hold_the_market_as_counted_another_way(api: httpx.Client) -> None:
    """The pages of a small market hold exactly the zpids that listings_on counts, and then come empty pages."""
    expected = {listing.zpid for listing in listings_on(7, "boulder, co", date(2026, 11, 20))}
    first = _search(api, "boulder, co").json()
    pages = [_search(api, "boulder, co", page).json() for page in range(1, first["totalPages"] + 2)]
    assert len(expected) == first["totalResultCount"]
    assert expected == {row["zpid"] for page in pages for row in page["results"]}
    assert -(-len(expected) // 41) == first["totalPages"]
    assert [] == pages[-1]["results"]


def test_a_large_market_claims_more_than_can_be_reached(api: httpx.Client) -> None:
    """Houston has 20 full pages of 41 and says that there are far more listings; page 21 is empty."""
    last, beyond = _search(api, "houston, tx", 20).json(), _search(api, "houston, tx", 21).json()
    facts = {"resultsPerPage": 41, "totalPages": 20, "totalResultCount": last["totalResultCount"]}
    assert (41, 0) == (len(last["results"]), len(beyond["results"]))
    assert beyond == facts | {"results": []}
    assert last["totalResultCount"] > 12_000


def test_zillow_com4_has_its_own_shape(api: httpx.Client) -> None:
    """zillow-com4 nests its listings, takes the page size from the request and tells the page in meta."""
    params = {"location": "austin, tx", "resultsPerPage": 50, "page": 2}
    body = api.get("/properties/search", params=params, headers=ASK_COM4).json()
    total = len(listings_on(7, "austin, tx", date(2026, 11, 20)))
    assert {"currentPage": 2, "limit": 50, "totalRecords": total, "totalPage": 20} == body["meta"]
    assert (True, "Success", 50) == (body["status"], body["message"], len(body["data"]))
    assert isinstance(body["data"][0]["price"]["value"], int)


def test_zillow_com1_has_its_own_shape(api: httpx.Client) -> None:
    """zillow-com1 sends zpid and address as text, null for what is missing, and its claims beside the list."""
    body = _ask(api, "zillow-com1", "/propertyExtendedSearch", location="austin, tx", page=2)
    total = len(listings_on(7, "austin, tx", date(2026, 11, 20)))
    facts = {"resultsPerPage": 41, "totalPages": 20, "totalResultCount": total, "currentPage": 2, "schools": {}}
    assert facts == {name: value for name, value in body.items() if name != "props"}
    assert 41 == len(body["props"])
    assert all(isinstance(row["zpid"], str) and isinstance(row["address"], str) for row in body["props"])
    assert None in body["props"][0].values()


def test_zillow_working_api_has_its_own_shape(api: httpx.Client) -> None:
    """zillow-working-api is told what to look for, wraps each listing and tells of its pages in pagesInfo."""
    asked = {"location": "austin, tx", "listingStatus": "For_Sale", "page": 20, "resultsPerPage": 200}
    body = _ask(api, "zillow-working-api", "/search/byaddress", **asked)
    total = len(listings_on(7, "austin, tx", date(2026, 11, 20)))
    assert total == body["resultsCount"]
    assert {"totalPages": 20, "currentPage": 20, "resultsPerPage": 200} == body["pagesInfo"]
    assert (200, {"property"}) == (len(body["searchResults"]), {each["resultType"] for each in body["searchResults"]})
    assert {"forSale"} == {each["property"]["listing"]["listingStatus"] for each in body["searchResults"]}


@pytest.mark.parametrize(
    ("family", "path", "asked", "words"),
    [
        ("zillow56", "/search", {"status": "sold"}, "Expected forSale or forRent or recentlySold"),
        ("zillow-com1", "/propertyExtendedSearch", {"status_type": "forRent"}, "Expected ForSale or ForRent or Recent"),
        ("zillow-com4", "/properties/search", {"status": "forRent"}, "status='forRent' is not valid. Expected forSale"),
        ("zillow-working-api", "/search/byaddress", {"listingStatus": "sold"}, "Expected For_Sale or For_Rent or Sold"),
        ("zillow-working-api", "/search/byaddress", {}, "listingStatus='' is not valid. Expected For_Sale"),
        (
            "zillow-working-api",
            "/search/byaddress",
            {"listingStatus": "Sold", "resultsPerPage": 201},
            "Expected a whole number from 1 to 200",
        ),
    ],
)
def test_each_family_refuses_what_it_does_not_know(
    api: httpx.Client, family: str, path: str, asked: dict[str, Any], words: str
) -> None:
    """A status or page size that the family has not is 400 with what was expected, and so is one that it wants."""
    answer = api.get(path, params={"location": "austin, tx", **asked}, headers=_headers(family))
    assert (400, True) == (answer.status_code, words in answer.json()["message"])


def _ask(client: httpx.Client, family: str, path: str, **params: Any) -> dict[str, Any]:
    body: dict[str, Any] = client.get(path, params=params, headers=_headers(family)).raise_for_status().json()
    return body


def _headers(family: str) -> dict[str, str]:
    return {"x-rapidapi-key": KEY, "x-rapidapi-host": f"{family}.p.rapidapi.com"}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"location": "atlantis"}, "'atlantis' is not known. Expected a city and a state code"),
        ({"location": ""}, "Expected a city and a state code"),
        ({"page": 0}, "page='0' is not valid. Expected a whole number from 1"),
        ({"page": "two"}, "page='two' is not valid"),
        ({"status": "toLet"}, "status='toLet' is not valid. Expected forSale"),
    ],
)
def test_a_search_that_makes_no_sense_gets_a_message(api: httpx.Client, params: Any, words: str) -> None:
    """An unknown location, page or status gets 400 and a message that says what was expected."""
    answer = _search(api, **params)
    assert 400 == answer.status_code
    assert words in answer.json()["message"]


def test_the_clock_moves_the_market_and_the_date_header(api: httpx.Client) -> None:
    """A week later the Date header is a week later, new houses are on the page and others are gone."""
    before = _search(api, "seattle, wa")
    api.put("/_control/clock", json={"now": "2026-11-27T06:00:00Z"})
    after = _search(api, "seattle, wa")
    one, other = ({row["zpid"] for row in answer.json()["results"]} for answer in (before, after))
    assert before.headers["date"].startswith("Fri, 20 Nov 2026 06:00:0")
    assert after.headers["date"].startswith("Fri, 27 Nov 2026 06:00:0")
    assert one - other
    assert other - one
    assert len(one & other) > 20


def test_ages_are_durations_up_to_the_simulated_now(api: httpx.Client) -> None:
    """An hour later each timeOnZillow has grown by an hour, and nothing else of the page has changed."""

    def aged(moment: str) -> tuple[list[int], list[Any]]:
        api.put("/_control/clock", json={"now": moment})
        rows = _search(api).json()["results"]
        return [row.pop("timeOnZillow", 0) for row in rows], rows

    (young, rows), (old, same_rows) = aged("2026-11-20T06:00:00Z"), aged("2026-11-20T07:00:00Z")
    grown = [after - before for before, after in zip(young, old, strict=True) if before]
    assert rows == same_rows
    assert all(3_590_000 <= milliseconds <= 3_610_000 for milliseconds in grown)


def test_requests_are_counted_by_page_without_the_key(api: httpx.Client) -> None:
    """Before the first request nothing is counted; then each page and status is, and no key is kept."""
    assert 0 == _requests(api)["total"]
    for page in (1, 2, 2):
        _search(api, page=page)
    _search(api, "atlantis")
    report = _requests(api)
    assert {"zillow56/austin-tx/1": 1, "zillow56/austin-tx/2": 2, "zillow56/atlantis/1": 1} == report["by_page"]
    assert {"200": 3, "400": 1} == report["by_status"]
    assert [1, 2, 2, 1] == [entry["page"] for entry in report["log"]]
    assert KEY not in json.dumps(report)


def test_a_scripted_answer_comes_as_often_as_it_is_told(api: httpx.Client) -> None:
    """A fault for one page gives its status, headers and body once; the page's next request is answered."""
    fault = {"status": 429, "headers": {"Retry-After": "1"}, "body": {"message": "Too many requests"}}
    api.put("/_control/faults", json=[{"location": "austin, tx", "page": 3, **fault}]).raise_for_status()
    answers = [_search(api, page=page) for page in (2, 3, 3)]
    assert [200, 429, 200] == [answer.status_code for answer in answers]
    assert ("1", {"message": "Too many requests"}) == (answers[1].headers["retry-after"], answers[1].json())
    assert 0 == api.get("/_control/faults").json()[0]["left"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 200, "body": "<html>sorry</html>"}, lambda whole: b"<html>sorry</html>"),
        ({"truncate_at": 500}, lambda whole: whole[:500]),
        ({"raw_body_bytes": 0}, lambda whole: b""),
    ],
)
def test_a_body_is_spoilt_as_scripted(
    api: httpx.Client, fault: dict[str, Any], expected: Callable[[bytes], bytes]
) -> None:
    """HTML, the beginning of a page, and nothing at all come with status 200 where a fault says so."""
    whole = _search(api).content
    api.put("/_control/faults", json=[fault]).raise_for_status()
    answer = _search(api)
    assert (200, len(expected(whole))) == (answer.status_code, len(answer.content))
    assert expected(whole)[:100] == answer.content[:100]


def test_a_delay_lasts_as_long_as_scripted(api: httpx.Client) -> None:
    """A client with a shorter time-out gives up; the request is counted all the same."""
    _search(api)  # builds the market, so that only the fault is slow
    api.post("/_control/reset?only=requests").raise_for_status()
    api.put("/_control/faults", json=[{"delay_seconds": 0.6}]).raise_for_status()
    with pytest.raises(httpx.ReadTimeout):
        api.get("/search", params={"location": "austin, tx"}, headers=ASK_56, timeout=0.2)
    time.sleep(0.6)
    assert {"zillow56/austin-tx/1": 1} == _requests(api)["by_page"]


def test_a_connection_is_reset(api: httpx.Client) -> None:
    """A scripted reset reaches the client as ECONNRESET before any byte of an answer."""
    api.put("/_control/faults", json=[{"reset": True}]).raise_for_status()
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        _search(api)
    assert {"0": 1} == _requests(api)["by_status"]


def test_an_added_fault_leaves_those_before_it_as_they_are(api: httpx.Client) -> None:
    """A fault that has struck stays spent when another one is posted; a put would arm it anew."""
    first, second = ({"page": page, "status": 500} for page in (1, 2))
    api.put("/_control/faults", json=[first]).raise_for_status()
    assert 500 == _search(api).status_code
    api.post("/_control/faults", json=[second]).raise_for_status()
    assert (200, 500) == (_search(api).status_code, _search(api, page=2).status_code)


def test_a_connection_is_cut_within_the_body(api: httpx.Client) -> None:
    """A cut answer announces the whole page and ends after a part of it."""
    api.put("/_control/faults", json=[{"cut_at": 1000, "stall_seconds": 0.1}]).raise_for_status()
    with api.stream("GET", "/search", params={"location": "austin, tx"}, headers=ASK_56) as answer:
        assert int(answer.headers["content-length"]) > 20_000
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            answer.read()


def test_a_wrong_control_is_refused_in_words(api: httpx.Client) -> None:
    """A misspelt fault, a time without a zone and a body that is no JSON get 400 and a message."""
    refused = [
        api.put("/_control/faults", json=[{"stauts": 500}]),
        api.put("/_control/clock", json={"now": "2026-11-20"}),
        api.put("/_control/clock", content=b"{"),
        api.post("/_control/reset?only=everything"),
    ]
    assert [400] * 4 == [answer.status_code for answer in refused]
    assert all("xpected" in answer.json()["message"] for answer in refused)


def test_used_quota_and_clock_outlive_a_kill(tmp_path: Path) -> None:
    """After kill -9 and a restart, the used requests are still used, the clock is still set, and the last is 429."""
    with serving(tmp_path, "--quota", 3) as api:
        api.put("/_control/clock", json={"now": "2026-11-20T06:00:00Z"})
        assert ["2", "1"] == [_search(api).headers["x-ratelimit-requests-remaining"] for _ in range(2)]
    with serving(tmp_path, "--quota", 3) as api:
        third, fourth = _search(api), _search(api)
    assert third.headers["date"].startswith("Fri, 20 Nov 2026 06:00:")
    assert ("3", "0") == tuple(third.headers[f"x-ratelimit-requests-{name}"] for name in ("limit", "remaining"))
    assert 0 < int(third.headers["x-ratelimit-requests-reset"]) <= 10.75 * 86_400
    assert (429, "0") == (fourth.status_code, fourth.headers["x-ratelimit-requests-remaining"])
    assert "You have exceeded the MONTHLY quota for Requests" in fourth.json()["message"]


def test_more_requests_a_second_than_allowed_are_refused(tmp_path: Path) -> None:
    """Of six requests at once with a rate of five the sixth is told to wait a second; after it, one passes."""
    with serving(tmp_path, "--rate", 5) as api:
        answers = [_search(api, "monowi, ne") for _ in range(6)]
        time.sleep(1.05)
        later = _search(api, "monowi, ne")
    assert [200] * 5 + [429] == [answer.status_code for answer in answers]
    assert "1" == answers[-1].headers["retry-after"]
    assert "You have exceeded the rate limit per second for your plan" in answers[-1].json()["message"]
    assert (200, "9994") == (later.status_code, later.headers["x-ratelimit-requests-remaining"])


def test_recorded_pages_are_served_byte_for_byte(tmp_path: Path) -> None:
    """A recorded page comes over the wire as it is in the file, behind the same key and quota."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "page-0001.json").write_bytes(FLAT)
    with serving(tmp_path / "state", "--recordings", folder, "--key", KEY) as api:
        first, second = _search(api), _search(api, page=2)
        refused = api.get("/search", params={"location": "austin, tx"}, headers=ASK_56 | {"x-rapidapi-key": "no"})
    assert first.content == FLAT
    assert json.loads(FLAT) | {"results": []} == second.json()
    assert "9998" == second.headers["x-ratelimit-requests-remaining"]
    assert 403 == refused.status_code


def test_the_key_of_a_secrets_file_is_subscribed(tmp_path: Path) -> None:
    """With --secrets the key in the file is let through, and no other, not even the example key."""
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"listing_api_key": "filed-key-not-real", "loader": "another-secret-not-real"}))
    with serving(tmp_path / "state", "--secrets", secrets) as api:
        asked = {
            key: api.get("/search", params={"location": "monowi, ne"}, headers=ASK_56 | {"x-rapidapi-key": key})
            for key in ("filed-key-not-real", "another-secret-not-real", KEY)
        }
    assert [200, 403, 403] == [answer.status_code for answer in asked.values()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "secrets.json: expected JSON with the field listing_api_key, found something else"),
        ("[]", "secrets.json: expected a JSON object with the field listing_api_key, found list"),
        ('{"loader": "not-real"}', "secrets.json: expected a text in the field listing_api_key, found none"),
        ('{"listing_api_key": ""}', "secrets.json: expected a text in the field listing_api_key, found none"),
        (None, "secrets.json"),
    ],
)
def test_a_secrets_file_without_a_key_ends_the_start(tmp_path: Path, content: str | None, words: str) -> None:
    """A file that gives no key makes the server exit with 2 and one line that names the file, and no secret."""
    secrets = tmp_path / "secrets.json"
    if content is not None:
        secrets.write_text(content)
    ended = _run("--port", 0, "--state", tmp_path / "state", "--secrets", secrets)
    assert 2 == ended.returncode
    assert words in ended.stderr
    assert "not-real" not in ended.stderr
    assert 1 == ended.stderr.count("\n")


def _run(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


def test_a_malformed_recording_ends_the_start(tmp_path: Path) -> None:
    """A recorded error body makes the server exit with 2 and one line that names the file."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "page-0001.json").write_text('{"message": "Too many requests"}')
    ended = _run("--port", 0, "--state", tmp_path / "state", "--recordings", folder)
    assert 2 == ended.returncode
    assert "page-0001.json: expected a list of listings as in zillow56's page" in ended.stderr
    assert "found the keys message" in ended.stderr
    assert 1 == ended.stderr.count("\n")


def test_a_port_in_use_ends_the_start(tmp_path: Path) -> None:
    """A port that another process listens on makes the server exit with 2 and name the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = _run("--port", port, "--state", tmp_path)
    assert 2 == ended.returncode
    assert f"port {port} on 127.0.0.1 cannot be used" in ended.stderr


def test_the_server_says_where_it_is_and_nothing_else(tmp_path: Path) -> None:
    """It prints one line with a loopback address, stays quiet while it serves, and ends on SIGTERM."""
    said = tmp_path / "said"
    with said.open("w") as output:
        server = command("--port", 0, "--state", tmp_path / "state")
        process = subprocess.Popen(server, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 10
        while not said.read_text().endswith("\n") and time.monotonic() < deadline:
            time.sleep(0.02)
        with httpx.Client(base_url=said.read_text().split()[-1]) as client:
            assert 200 == _search(client).status_code
            assert 400 == _search(client, "atlantis").status_code
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert said.read_text().startswith("listing_api: serving on http://127.0.0.1:")
    assert 1 == said.read_text().count("\n")


def test_pages_are_written_as_files(tmp_path: Path) -> None:
    """--write-pages writes full pages of distinct listings, the same ones each time."""
    for folder in ("one", "other"):
        assert 0 == _run("--write-pages", 5, "--out", tmp_path / folder, "--page-size", 40).returncode
    pages = sorted((tmp_path / "one").iterdir())
    zpids = [row["zpid"] for page in pages for row in json.loads(page.read_bytes())["results"]]
    assert [f"page-{number:04d}.json" for number in range(1, 6)] == [page.name for page in pages]
    assert 200 == len(zpids)
    assert len(set(zpids)) >= 198
    assert [page.read_bytes() for page in pages] == [(tmp_path / "other" / page.name).read_bytes() for page in pages]
