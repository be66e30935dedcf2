"""What a hand, or an enemy, may write into a run's form: refused in words before a run, or carried without harm."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from include.base.markets import slug
from local.airflow.api import AirflowRefused
from tests.support.pipeline import Pipeline

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("after_the_waves")]

LONG = "x" * 10_000
# One line of printable letters, and so a market's name; no API knows it.
HOSTILE = """o'fallon {{ 7*7 }} $(id) "x" ../..; drop table core.listings; -- עברית 🏠, mo"""

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("markets", {"markets": "houston, tx"}),
    ("markets", {"markets": []}),
    ("markets", {"markets": [{"$ref": "x"}]}),
    ("markets", {"markets": [LONG]}),
    ("markets", {"markets": ["houston\ntx"]}),
    ("markets", {"markets": ["hou\0ston, tx"]}),
    ("source", {"source": "../../etc/passwd"}),
    ("source", {"source": "zillow56'; drop table core.listings; --"}),
    ("source", {"source": None}),
    ("page_limit", {"page_limit": "1; select 1"}),
    ("page_limit", {"page_limit": -1}),
    ("page_limit", {"page_limit": 10**30}),
    ("date_override", {"date_override": LONG}),
    ("date_override", {"date_override": "a reason\nX-Header: y"}),
    ("date_override", {"date_override": "a\0b"}),
    ("quota_override", {"quota_override": LONG}),
]


@pytest.mark.parametrize(("name", "conf"), REFUSED, ids=lambda value: json.dumps(value)[:50])
def test_what_the_form_would_not_take_starts_no_run(pipeline: Pipeline, name: str, conf: dict[str, Any]) -> None:
    """The REST API answers 400 and names the param; there is no run, and nothing was asked."""
    runs, asked = len(pipeline.runs_of("extract_listings")), pipeline.api.requests()["total"]
    with pytest.raises(AirflowRefused, match=r"400 Bad Request") as refused:
        pipeline.airflow.trigger("extract_listings", partition_key=pipeline.today, conf=conf)
    assert name in str(refused.value)
    assert (runs, asked) == (len(pipeline.runs_of("extract_listings")), pipeline.api.requests()["total"])


@pytest.mark.parametrize(
    "key", ["{{ ds }}", "2026-11-22'; drop table x; --", "../../2026-11-22", "٢٠٢٦-١١-٢٢", "x" * 200]
)
def test_a_partition_key_that_is_no_date_starts_no_run(pipeline: Pipeline, key: str) -> None:
    """The REST API answers 400 with the form that a key has; there is no run, and nothing was asked."""
    runs, asked = len(pipeline.runs_of("extract_listings")), pipeline.api.requests()["total"]
    with pytest.raises(AirflowRefused, match=r"400 Bad Request.*does not match the timetable's key_format '%Y-%m-%d'"):
        pipeline.airflow.trigger("extract_listings", partition_key=key)
    assert (runs, asked) == (len(pipeline.runs_of("extract_listings")), pipeline.api.requests()["total"])


@pytest.mark.wave
def test_a_hostile_market_ends_in_the_warehouse_under_its_slug(pipeline: Pipeline) -> None:
    """Quotes, dots, SQL, Jinja, a shell's words and letters of two scripts are a name and nothing else, to the end."""
    pipeline.api.add_faults([{"location": HOSTILE, "status": 200, "body": a_page(pipeline), "times": None}])
    run_id = pipeline.extract([HOSTILE])
    assert "success" == pipeline.finish(run_id)
    market = slug(HOSTILE)
    assert market.startswith("o-fallon-7-7-id-x-drop-table-core-listings-mo-")
    pipeline.wait_until_loaded(market)

    [manifest] = [key for key in pipeline.keys("raw", "listings/") if f"/market={market}/" in key and "_mani" in key]
    bucket = pipeline.environment["LISTINGS_RAW_BUCKET"]
    facts = json.loads(pipeline.s3.get_object(Bucket=bucket, Key=manifest)["Body"].read())
    assert HOSTILE == facts["location"]
    [task] = [t for t in pipeline.airflow.tasks("extract_listings", run_id) if t["task_id"] == "land_listings"]
    assert HOSTILE == task["rendered_map_index"]
    rendered = pipeline.metadata(
        "select rendered_fields::text from rendered_task_instance_fields where run_id = %s and task_id = %s",
        run_id, "land_listings",
    )  # fmt: skip
    assert HOSTILE in [json.loads(each)["request"]["location"] for (each,) in rendered]
    assert [("core", "listings")] == pipeline.warehouse(
        "select table_schema, table_name from information_schema.tables"
        " where table_schema = 'core' and table_name = 'listings'"
    )


def a_page(pipeline: Pipeline) -> dict[str, Any]:
    """A real page of a small market."""
    headers = {
        "x-rapidapi-key": pipeline.stack.home.secrets()["listing_api_key"],
        "x-rapidapi-host": "zillow56.p.rapidapi.com",
    }
    url = f"http://127.0.0.1:{pipeline.stack.ports.api}/search"
    answer = httpx.get(url, params={"location": "o'fallon, mo", "page": 1}, headers=headers, trust_env=False)
    page: dict[str, Any] = answer.raise_for_status().json()
    return page | {"totalPages": 1}
