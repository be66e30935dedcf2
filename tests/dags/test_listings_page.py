"""The Listings page's application behind Airflow's own login, asked as a browser asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog.tracebacks

from include.base.version import VERSION
from include.report.store import ReportStore
from tests.support.memory_s3 import MemoryS3

DATE = "2026-11-22"
RECORD = {
    "date": DATE,
    "generated_at": "2026-11-22T11:30:00Z",
    "build_number": 7,
    "run_id": "run-1",
    "markets": [{"source": "zillow56", "market": "houston-tx"}],
    "marts": {"zip_by_day": {"rows": 40, "span": "the report's date"}},
    "reported": [],
}
PRIVATE = ["/", "/assets/page.js", "/api/progress", f"/report?date={DATE}", f"/marts/zip_by_day.csv?date={DATE}",
           "/api/reason?dag_id=load_listings&run_id=r&task_id=t&try_number=1"]  # fmt: skip


@pytest.fixture(scope="module")
def airflow_app(metadata_database: None) -> Iterator[Any]:
    """Airflow's own api-server, with the plugin mounted as Airflow mounts it, below a path."""
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.middlewares.refresh_token import JWTRefreshMiddleware
    from fastapi import FastAPI
    from listings_page import PREFIX, serve

    app = FastAPI(root_path="/team")
    app.mount(PREFIX, serve)
    init_auth_manager(app)
    app.add_middleware(JWTRefreshMiddleware)
    return app


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryS3]:
    """The clean bucket that the page reads."""
    from dataclasses import fields

    from listings_ui import page_cache

    from include.base.settings import Resources, resources

    s3: Any = MemoryS3("clean")
    s3.put_object(Bucket="clean", Key=f"reports/date={DATE}/report.json", Body=json.dumps(RECORD).encode())
    s3.put_object(Bucket="clean", Key=f"reports/date={DATE}/report.html", Body=b"<p>the report")
    s3.put_object(Bucket="clean", Key=f"reports/date={DATE}/marts/zip_by_day.csv", Body=b"source\n")
    for field in fields(Resources):
        monkeypatch.setenv(f"LISTINGS_{field.name.upper()}", "clean")
    resources.cache_clear()
    for cache in (page_cache.rows, page_cache.ledgers, page_cache.report_dates, page_cache.store):
        cache.forget()
    monkeypatch.setattr(page_cache, "store", page_cache.Kept(lambda: ReportStore(s3, "clean"), 60))
    yield s3
    resources.cache_clear()


@pytest.fixture
def anybody(airflow_app: Any) -> Any:
    """A browser that is not logged in."""
    from starlette.testclient import TestClient

    return TestClient(airflow_app, base_url="http://airflow.test", follow_redirects=False)


@pytest.fixture
def browser(anybody: Any, bucket: MemoryS3) -> Any:
    """A browser that an administrator is logged in with."""
    anybody.cookies.set("_token", token("ADMIN"))
    return anybody


def token(role: str) -> str:
    """The cookie of a login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="test", role=role))


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("cookie", [None, "forged"])
def test_nothing_is_shown_without_a_login(anybody: Any, bucket: MemoryS3, path: str, cookie: str | None) -> None:
    """A page leads to Airflow's login and back, what a script asks for is refused; S3 is not asked."""
    if cookie:
        anybody.cookies.set("_token", cookie)
    bucket.calls.clear()

    answer = anybody.get(f"/team/listings{path}")

    if path.startswith(("/api/", "/assets/")):
        assert answer.status_code in (401, 403)
        assert ["detail"] == list(answer.json())
    else:
        assert 303 == answer.status_code
        assert answer.headers["location"].startswith("/team/api/v2/auth/login?next=%2Fteam%2Flistings%2F")
    assert [] == bucket.calls


def test_the_login_leads_back_to_where_one_was(anybody: Any) -> None:
    """With path and query."""
    answer = anybody.get(f"/team/listings/?view=report&date={DATE}")

    back = f"%2Fteam%2Flistings%2F%3Fview%3Dreport%26date%3D{DATE}"
    assert f"/team/api/v2/auth/login?next={back}" == answer.headers["location"]


@pytest.mark.parametrize("path", [f"/report?date={DATE}", f"/marts/zip_by_day.csv?date={DATE}"])
def test_reports_and_marts_take_the_permission_to_read_the_dag_that_made_them(
    browser: Any, bucket: MemoryS3, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Who may read other DAGs and not report_listings is told so, and S3 is not asked."""
    from airflow.api_fastapi.app import get_auth_manager

    def is_authorized_dag(*, details: Any = None, **_: Any) -> bool:
        return bool(details) and details.id == "extract_listings"

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", is_authorized_dag)
    bucket.calls.clear()

    answer = browser.get(f"/team/listings{path}")
    page = browser.get("/team/listings/?view=downloads")

    assert 404 == browser.get("/team/listings/?view=downloads&date=x").status_code
    assert (403, True) == (answer.status_code, "permission to read report_listings" in answer.text)
    assert (200, True) == (page.status_code, "permission to read report_listings" in page.text)
    assert "zip_by_day" not in page.text
    assert [] == bucket.calls


@pytest.mark.parametrize("view", ["pipeline", "report", "downloads"])
def test_the_page_says_which_version_it_is(browser: Any, view: str) -> None:
    """At the foot of each view."""
    assert f"Listings pipeline {VERSION}</footer>" in browser.get(f"/team/listings/?view={view}").text


@pytest.mark.parametrize("view", ["pipeline", "report", "downloads"])
def test_a_page_may_load_nothing_from_elsewhere(browser: Any, view: str) -> None:
    """Its policy names no host, and only Airflow itself may frame it."""
    answer = browser.get(f"/team/listings/?view={view}")

    assert 200 == answer.status_code
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert policy.endswith("frame-ancestors 'self'")
    assert "unsafe" not in policy
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text


def test_the_report_is_an_origin_of_its_own(browser: Any) -> None:
    """It may run its inline script, and can neither read Airflow nor call anybody."""
    answer = browser.get(f"/team/listings/report?date={DATE}")

    assert b"<p>the report" == answer.content
    expected = [
        "sandbox allow-scripts allow-popups", "default-src 'none'", "script-src 'unsafe-inline' 'unsafe-eval'",
        "style-src 'unsafe-inline'", "img-src data:", "frame-ancestors 'self'",
    ]  # fmt: skip
    assert expected == answer.headers["content-security-policy"].split("; ")
    page = browser.get("/team/listings/?view=report").text
    assert 'sandbox="allow-scripts allow-popups"' in page


def test_a_mart_comes_as_a_download_with_its_date_in_the_name(browser: Any) -> None:
    """Byte for byte."""
    answer = browser.get(f"/team/listings/marts/zip_by_day.csv?date={DATE}")

    assert (200, b"source\n") == (answer.status_code, answer.content)
    assert f'attachment; filename="zip_by_day-{DATE}.csv"' == answer.headers["content-disposition"]


def test_the_downloads_have_each_mart_with_its_rows(browser: Any) -> None:
    """Both kinds of each mart that the report names."""
    text = browser.get("/team/listings/?view=downloads").text

    for part in ("zip_by_day", ">40<", f"marts/zip_by_day.csv?date={DATE}", f"marts/zip_by_day.parquet?date={DATE}"):
        assert part in text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/report?date=2026-11-21", "There is no report of 2026-11-21."),
        ("/report?date=..%2Fnotices", "is no date"),
        ("/report?date=2026-02-30", "is no date"),
        ("/?view=report&date=x", "is no date"),
        ("/?view=report&date=2026-11-21", "There is no report of 2026-11-21."),
        ("/?view=nothing", "There is no such view"),
        (f"/marts/zip_by_day.parquet?date={DATE}", "has no mart zip_by_day as parquet"),
        (f"/marts/Zip.csv?date={DATE}", "expected a mart"),
        (f"/marts/..%2Freport.csv?date={DATE}", "Not Found"),
        (f"/marts/zip_by_day.html?date={DATE}", "expected a mart"),
        ("/marts/zip_by_day.csv?date=%3Cscript%3E", "is no date"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(browser: Any, path: str, words: str) -> None:
    """With the status 404, and nothing of what was asked for becomes markup."""
    answer = browser.get(f"/team/listings{path}")

    assert 404 == answer.status_code
    assert words in answer.text
    assert "<script>" not in answer.text


def test_nothing_can_be_written(browser: Any) -> None:
    """Every method but GET is refused."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert {405} == {browser.request(method, f"/team/listings{path}").status_code for path in PRIVATE}


def test_without_s3_the_page_says_so_and_shows_what_airflow_knows(
    browser: Any, bucket: MemoryS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is there, the sentence names the bucket, and nothing is a traceback."""
    bucket.buckets.clear()

    page = browser.get("/team/listings/")
    said = browser.get("/team/listings/api/progress").json()
    report = browser.get(f"/team/listings/report?date={DATE}")

    assert (200, True) == (page.status_code, "S3 refused to show the bucket clean: NoSuchBucket." in page.text)
    assert "S3 refused to show the bucket clean: NoSuchBucket." == said["trouble"]
    assert (503, True) == (report.status_code, "NoSuchBucket" in report.text)


def test_a_server_that_knows_no_buckets_says_which_settings_it_lacks(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person must set them."""
    from listings_ui import page_cache

    from include.base.settings import resources

    monkeypatch.setattr(page_cache, "store", page_cache.Kept(page_cache._connect, 60))
    monkeypatch.delenv("LISTINGS_CLEAN_BUCKET")
    resources.cache_clear()
    page_cache.report_dates.forget()

    page = browser.get("/team/listings/?view=report")
    said = browser.get("/team/listings/api/progress").json()

    assert (200, True) == (page.status_code, "not set: LISTINGS_CLEAN_BUCKET." in page.text)
    assert "not set: LISTINGS_CLEAN_BUCKET." in said["trouble"]


def test_what_did_not_change_is_not_sent_again(browser: Any) -> None:
    """The tag of an answer, sent back, is answered with nothing."""
    first = browser.get("/team/listings/api/progress")
    again = browser.get("/team/listings/api/progress", headers={"If-None-Match": first.headers["etag"]})

    assert (200, 304) == (first.status_code, again.status_code)
    assert b"" == again.content


@pytest.fixture
def event_of_today(metadata_database: None) -> Iterator[str]:
    """The date of an event that a task of extract_listings emitted; the database is all tests', so it goes again."""
    from datetime import UTC, datetime

    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    now = datetime.now(UTC)
    with create_session() as session:
        event = AssetEvent(
            asset_id=known_asset(session),
            extra={"extract_id": "20261122T060000Z-aaaaaa", "listings": 82, "pages": 2},
            source_dag_id="extract_listings",
            source_run_id="r1",
            source_task_id="land_listings",
            source_map_index=3,
            timestamp=now,
            partition_key=f"zillow56/unheard-of-tx|{now.date()}",
        )
        session.add(event)
        session.flush()
        number = event.id
    yield str(now.date())
    with create_session() as session:
        session.delete(session.get(AssetEvent, number))


def known_asset(session: Any) -> int:
    """The number of landed_listings; it and extract_listings are made where no other test has made them."""
    from airflow.models.asset import AssetModel
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from sqlalchemy import select

    if session.get(DagModel, "extract_listings") is None:
        session.merge(DagBundleModel(name="page-tests"))
        session.flush()
        session.add(DagModel(dag_id="extract_listings", bundle_name="page-tests", is_paused=True, fileloc="x"))
    asset = session.scalar(select(AssetModel).where(AssetModel.name == "landed_listings"))
    if asset is None:
        session.add(asset := AssetModel(name="landed_listings", uri="s3://test/landed", group="listings"))
        session.flush()
    return int(asset.id)


def test_the_rows_of_airflows_database_become_the_table(browser: Any, event_of_today: str) -> None:
    """An event that a task emitted is a landed market of its date, with its counts and a link to the task."""
    days = browser.get("/team/listings/api/progress").json()["days"]

    [landed] = [
        row["cells"]["landed"]
        for day in days
        if day["date"] == event_of_today
        for row in day["rows"]
        if row["market"] == "unheard-of-tx"
    ]
    assert ("done", 82, "2 pages") == (landed["state"], landed["count"], landed["note"])
    assert ("land_listings", 3) == (landed["where"]["task_id"], landed["where"]["map_index"])


@pytest.mark.parametrize(
    ("status", "query", "words"),
    [
        (404, "dag_id=other&run_id=r&task_id=t&try_number=1", "That is no DAG of the pipeline."),
        (404, "dag_id=load_listings&run_id=r&task_id=t&try_number=1", "This try is gone: the task was cleared."),
    ],
)
def test_there_is_no_reason_for_what_is_not_there(browser: Any, status: int, query: str, words: str) -> None:
    """It says which."""
    answer = browser.get(f"/team/listings/api/reason?{query}")

    assert (status, {"detail": words}) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("austin, tx, page 2: HTTP 403: You are not subscribed.",
         "austin, tx, page 2: HTTP 403: You are not subscribed. Pages 1 to 1 are kept; clear this task."),
        ("one line", "one line\nanother. More"),
    ],
)  # fmt: skip
def test_the_first_words_are_the_first_sentence(expected: str, text: str) -> None:
    """Of the first line."""
    from listings_ui.reasons import first_words

    assert expected == first_words(text)


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        ("No such market.", [{"event": "Task failed", "error_detail": [
            {"exc_type": "Y", "exc_value": "No such market."}, {"exc_type": "X", "exc_value": "what caused it"},
        ]}, {"event": "the end"}]),
        ("KeyError: 'text'", [{"event": "x", "error_detail": [{"exc_type": "KeyError", "exc_value": "'text'"}]}]),
        ("killed", [{"event": "began"}, {"event": "killed"}]),
        ("", []),
    ],
)  # fmt: skip
def test_the_reason_is_what_the_last_exception_says(expected: str, lines: list[Any]) -> None:
    """Without an exception it is the last line; a word that is no sentence has its kind before it."""
    from airflow.utils.log.file_task_handler import StructuredLogMessage
    from listings_ui.reasons import _last_words

    assert expected == _last_words([StructuredLogMessage(**{"timestamp": None, **line}) for line in lines])


def test_the_reason_of_a_chain_is_what_was_raised_last() -> None:
    """As structlog, which writes Airflow's logs, takes an exception apart that was raised from another."""
    from airflow.utils.log.file_task_handler import StructuredLogMessage
    from listings_ui.reasons import _last_words

    try:
        try:
            raise KeyError("account")
        except KeyError as cause:
            raise ValueError("0000012.json is no entry of the quota ledger") from cause
    except ValueError as error:
        detail = structlog.tracebacks.ExceptionDictTransformer()((ValueError, error, error.__traceback__))
    line = StructuredLogMessage(timestamp=None, event="Task failed", error_detail=detail)  # type: ignore[call-arg]
    assert "0000012.json is no entry of the quota ledger" == _last_words([line])


def test_loading_the_plugin_imports_nothing_of_the_page() -> None:
    """All of Airflow's processes load the plugins; only the one that serves the page pays for it."""
    import subprocess
    import sys
    from pathlib import Path

    from airflow._shared.module_loading import find_path_from_directory

    folder = Path(__file__).resolve().parents[2] / "plugins"
    found = [Path(path).name for path in find_path_from_directory(str(folder), ".airflowignore", "glob")]
    code = (
        "import sys, airflow.plugins_manager; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); "
        "import listings_page; new = set(sys.modules) - before; "
        "print([m for m in ('fastapi', 'boto3', 'jinja2', 'listings_ui', 'include') if m in new])"
    )

    assert ["listings_page.py"] == [name for name in found if name.endswith(".py")]
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip().splitlines()[-1]
