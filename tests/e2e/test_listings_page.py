"""The Listings page in Airflow's UI, in a real browser: what a person finds there after an extraction."""

from __future__ import annotations

import csv
import io
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pyarrow.parquet
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.support.pipeline import Pipeline
from tools.pictures import Login

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("chromium", "wave"),
]

# The wave may still be at work beside it.
expect.set_options(timeout=60_000)

REFUSAL = "You are not subscribed to this API."


@pytest.fixture(scope="module")
def refused(pipeline: Pipeline) -> str:
    """A run of today whose one market fails; its id."""
    refusal = {"message": "No."}
    pipeline.api.add_faults([{"location": "orem, ut", "page": 1, "times": 1, "status": 403, "body": refusal}])
    return pipeline.extract(["orem, ut"])


@pytest.fixture(scope="module")
def extracted(pipeline: Pipeline, refused: str) -> str:
    """The newest run, of today, in which one market came to the warehouse and one failed; its id."""
    refusal = {"message": REFUSAL}
    pipeline.api.add_faults([{"location": "provo, ut", "page": 2, "times": 1, "status": 403, "body": refusal}])
    run_id = pipeline.extract(["ogden, ut", "provo, ut"], page_limit=2)
    assert "failed" == pipeline.finish(run_id)
    pipeline.wait_until_loaded("ogden-ut")
    return run_id


@contextmanager
def watched(page: Page, home: str) -> Iterator[None]:
    """Fails when a page says something on the console or asks another host."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if is_elsewhere(request.url, home) else None)
    yield
    assert [] == said


def is_elsewhere(url: str, home: str) -> bool:
    """Whether a request goes to another host than Airflow's."""
    return urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != urlsplit(home).netloc


@contextmanager
def in_airflow(login: Login, home: str) -> Iterator[Page]:
    """A page at Airflow's list of DAGs.

    Not at its first view: there Airflow 3.3 answers 500 for as long as a run that an asset woke is queued.
    """
    with login.page(height=900) as page:
        page.goto(f"{home}/dags")
        page.wait_for_load_state("networkidle")
        yield page


def open_from_navigation(page: Page) -> FrameLocator:
    """Clicks the entry in Airflow's navigation; what Airflow shows in its frame."""
    page.get_by_role("link", name="Listings").first.click()
    frame = page.frame_locator('iframe[title="Listings"]')
    expect(frame.get_by_role("heading", name="Listings", level=1)).to_be_visible()
    return frame


def row(place: Page | FrameLocator, date: str, market: str) -> Locator:
    """The row of a market on a date."""
    group = place.locator("#live tbody").filter(has=place.get_by_role("rowheader", name=re.compile(f"^{date}")))
    return group.get_by_role("row").filter(has_text=market)


def cell(its_row: Locator, stage: str) -> Locator:
    """One stage of a row."""
    return its_row.locator(f'td[data-stage="{stage}"]')


@pytest.mark.parametrize("path", ["", "report?date=2026-11-22", "marts/coverage.csv?date=2026-11-22"])
def test_a_page_without_a_login_ends_at_airflows_login(pipeline: Pipeline, path: str) -> None:
    """Nothing of it is shown before."""
    with urllib.request.urlopen(f"{pipeline.stack.ui_url}/listings/{path}", timeout=30) as answer:
        assert "/auth/login" == urlsplit(answer.url).path.rstrip("/")


def test_the_tables_data_is_refused_without_a_login(pipeline: Pipeline) -> None:
    """In JSON, as a script asks for it."""
    with pytest.raises(HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{pipeline.stack.ui_url}/listings/api/progress", timeout=30)
    assert b'{"detail":"Not authenticated"}' == refused.value.read()


def test_the_page_tells_of_the_last_run_from_airflows_navigation(
    pipeline: Pipeline, login: Login, extracted: str
) -> None:
    """The counts are the warehouse's, the failed market repeats the API's words, the rest is said in a sentence."""
    loaded = pipeline.loaded("ogden-ut")
    with in_airflow(login, pipeline.stack.ui_url) as page, watched(page, pipeline.stack.ui_url):
        frame = open_from_navigation(page)
        mine = row(frame, pipeline.today, "ogden-ut")
        expect(cell(mine, "Loaded")).to_contain_text(f"{loaded} listings, done")
        expect(cell(mine, "Landed")).to_contain_text("82 listings, done")
        expect(cell(mine, "Landed")).to_contain_text("2 pages")
        failed = cell(row(frame, pipeline.today, "provo-ut"), "Landed")
        expect(failed).to_contain_text("Failed")
        expect(failed.locator("summary")).to_contain_text(REFUSAL)
        failed.locator("summary").click()
        expect(failed.locator("details")).to_contain_text("Pages 1 to 1 are kept; clear this task")
        expect(frame.locator("#run")).to_have_text(
            re.compile(rf"Last extraction of {pipeline.today}: failed, 1 of 2 markets landed, 82 listings, 1 failed\.")
        )


def test_the_table_is_sorted_by_a_click(pipeline: Pipeline, login: Login, extracted: str) -> None:
    """By market backwards, then by what landed: what failed comes first."""
    with login.page(height=900) as page:
        page.goto(f"{pipeline.stack.ui_url}/listings/")
        group = page.locator("#live tbody").filter(has_text=pipeline.today)
        markets = group.locator('th[scope="row"]')
        expect(markets.first).to_be_visible()
        names = [name.split("\n")[0] for name in markets.all_inner_texts()]
        assert sorted(names) == names
        page.get_by_role("button", name="Market").click()
        assert sorted(names, reverse=True) == [name.split("\n")[0] for name in markets.all_inner_texts()]
        page.get_by_role("button", name="Landed").click()
        expect(group.locator('th[scope="row"] + td').first).to_contain_text("Failed")
        expect(page.get_by_role("columnheader", name="Landed")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.usefixtures("late_wave")
def test_a_failed_cell_leads_out_of_the_frame_to_its_task(pipeline: Pipeline, login: Login, extracted: str) -> None:
    """Airflow's own page of the very task instance takes the place of the page, frame and all."""
    with in_airflow(login, pipeline.stack.ui_url) as page:
        frame = open_from_navigation(page)
        cell(row(frame, pipeline.today, "provo-ut"), "Landed").get_by_role("link", name="Failed").click()
        page.wait_for_url(re.compile(r"/dags/extract_listings/runs/.*/tasks/land_listings/mapped/1$"))
        assert extracted in page.url.replace("%3A", ":").replace("%2B", "+")
        expect(page.get_by_text("provo, ut").first).to_be_visible()


@pytest.mark.usefixtures("late_wave")
def test_the_table_follows_what_happens_and_leaves_what_is_open(
    pipeline: Pipeline, login: Login, refused: str, extracted: str
) -> None:
    """A cleared market goes on by itself to the warehouse, and the text that a person unfolded stays unfolded."""
    assert "failed" == pipeline.finish(refused)
    with login.page(height=900) as page:
        page.goto(f"{pipeline.stack.ui_url}/listings/")
        open_one = cell(row(page, pipeline.today, "provo-ut"), "Landed").locator("summary")
        open_one.click()
        expect(cell(row(page, pipeline.today, "orem-ut"), "Landed")).to_contain_text("Failed")
        pipeline.airflow.clear("extract_listings", refused)
        expect(cell(row(page, pipeline.today, "orem-ut"), "Loaded")).to_contain_text("done", timeout=600_000)
        expect(cell(row(page, pipeline.today, "provo-ut"), "Landed").locator("details")).to_have_attribute("open", "")


@pytest.mark.usefixtures("late_wave")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light")])
def test_every_view_can_be_read_by_everybody(
    pipeline: Pipeline, login: Login, extracted: str, width: int, theme: str
) -> None:
    """No horizontal scrolling, and axe-core finds nothing, in both of Airflow's themes."""
    with login.page(width, 844) as page, watched(page, pipeline.stack.ui_url):
        page.goto(f"{pipeline.stack.ui_url}/listings/")
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        for view in ("pipeline", "report", "downloads"):
            page.goto(f"{pipeline.stack.ui_url}/listings/?view={view}")
            if view == "pipeline":
                expect(row(page, pipeline.today, "provo-ut").locator("summary")).to_be_visible()
            assert theme == page.evaluate("document.documentElement.dataset.theme")
            assert width >= page.evaluate("document.documentElement.scrollWidth")
            page.wait_for_load_state("networkidle")
            found = Axe().run(page, context={"exclude": [["iframe"]]})
            assert 0 == found.violations_count, found.generate_report()


# ---- what needs the report of report_listings --------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported(pipeline: Pipeline, extracted: str) -> str:
    """Today, of which there is a report with the market."""
    market = f"zillow56/ogden-ut|{pipeline.today}"

    def is_reported() -> bool:
        key = f"reports/date={pipeline.today}/report.json"
        if key not in pipeline.keys("clean", "reports/date="):
            return False
        bucket = pipeline.environment["LISTINGS_CLEAN_BUCKET"]
        return market.encode() in pipeline.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    pipeline.until(is_reported, f"{market} is in the report")
    return pipeline.today


def test_the_report_is_shown_whole_in_the_page(pipeline: Pipeline, login: Login, reported: str) -> None:
    """It stands in a frame of its own that is as high as it, and the table says that the market is in it."""
    with in_airflow(login, pipeline.stack.ui_url) as page, watched(page, pipeline.stack.ui_url):
        frame = open_from_navigation(page)
        done = cell(row(frame, reported, "ogden-ut"), "Reported")
        expect(done).to_contain_text("Done")
        frame.get_by_role("link", name="Report", exact=True).click()
        report = frame.frame_locator("#report")
        expect(report.get_by_text("ogden, ut").first).to_be_visible()
        expect(frame.locator("#report")).to_have_attribute("style", re.compile(r"height: \d{4,}px"))
        scrolls = report.locator("html").evaluate("root => root.scrollHeight - root.clientHeight")
        assert scrolls <= 1


def test_the_report_can_be_had_of_an_earlier_date(pipeline: Pipeline, login: Login, reported: str) -> None:
    """Choosing another date shows its report; each date has an address of its own."""
    bucket = pipeline.environment["LISTINGS_CLEAN_BUCKET"]
    early, folder = "2026-01-02", f"reports/date={reported}/"
    for key in pipeline.keys("clean", folder):
        body: Any = pipeline.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if key.endswith("report.json"):
            body = body.replace(reported.encode(), early.encode())
        pipeline.s3.put_object(Bucket=bucket, Key=key.replace(reported, early), Body=body)
    with login.page(height=900) as page:

        def is_offered() -> bool:
            page.goto(f"{pipeline.stack.ui_url}/listings/")
            return page.get_by_label("Report of").locator("option", has_text=early).count() == 1

        # The page keeps for three seconds what reports there were.
        pipeline.until(is_offered, f"the report of {early} is offered")
        expect(page.get_by_label("Report of")).to_be_visible()
        page.get_by_label("Report of").select_option(early)
        page.wait_for_url(re.compile(rf"\?view=report&date={early}$"))
        expect(page.get_by_role("heading", name=f"Report of {early}")).to_be_visible()


def test_a_mart_is_downloaded_with_the_rows_that_the_page_says(
    pipeline: Pipeline, login: Login, reported: str, after_the_waves: None, tmp_path: Path
) -> None:
    """As CSV and as Parquet, from within Airflow's frame."""
    with in_airflow(login, pipeline.stack.ui_url) as page:
        frame = open_from_navigation(page)
        frame.get_by_role("link", name="Downloads").click()
        line = frame.get_by_role("row").filter(has_text="market_by_day")
        rows = int(line.locator(".number").inner_text().replace(",", ""))
        for kind in ("CSV", "Parquet"):
            with page.expect_download() as download:
                line.get_by_role("link", name=kind).click()
            assert f"market_by_day-{reported}.{kind.lower()}" == download.value.suggested_filename
            download.value.save_as(tmp_path / kind)
    assert rows == len(list(csv.DictReader(io.StringIO((tmp_path / "CSV").read_text()))))
    assert rows == pyarrow.parquet.read_table(tmp_path / "Parquet").num_rows
