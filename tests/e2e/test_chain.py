"""The chain from the API to the warehouse: a person starts the extraction, assets wake everything after it."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from local.commands.accounts import Books
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.timeout(900)

TEN_KB = 10_000
# Runs of the loader that began after a market was let through.
LOADER_RUNS_AFTER = """
select 1 from dag_run as load join dag_run as sense on load.start_date >= sense.end_date
where load.dag_id = 'load_listings' and sense.dag_id = 'sense_listings' and sense.state = 'success'
  and sense.partition_key like %s
"""


@pytest.mark.wave
def test_assets_carry_three_markets_into_the_warehouse(pipeline: Pipeline) -> None:
    """Three markets of two pages each end as snapshot rows, every downstream run triggered by an asset."""
    run_id = pipeline.extract(["boston, ma", "denver, co", "seattle, wa"], page_limit=2)
    assert "success" == pipeline.finish(run_id)
    pipeline.wait_until_loaded("boston-ma", "denver-co", "seattle-wa")
    for market in ("boston-ma", "denver-co", "seattle-wa"):
        rejected = pipeline.warehouse("select count(*) from core.listing_rejects where market = %s", market)[0][0]
        [[repeated]] = pipeline.warehouse("select sum(duplicates) from core.load_audit where market = %s", market)
        assert 82 == pipeline.loaded(market) + rejected + repeated
    woken = [run for dag in ("sense_listings", "load_listings") for run in pipeline.runs_of(dag)]
    assert {"asset_triggered"} == {run["run_type"] for run in woken}
    partitions = [f"zillow56/{market}|{pipeline.today}" for market in ("boston-ma", "denver-co", "seattle-wa")]
    assert partitions == sorted(run["partition_key"] for run in woken if run["partition_key"] in partitions)


@pytest.mark.wave
def test_the_second_family_takes_the_same_way(pipeline: Pipeline) -> None:
    """A market of zillow-com4 becomes snapshot rows of its own source, through a connection of its own."""
    assert "success" == pipeline.finish(pipeline.extract(["dallas, tx"], source="zillow-com4"))
    pipeline.wait_until_loaded("dallas-tx")
    assert [("zillow-com4",)] == pipeline.warehouse(
        "select distinct source from core.listing_snapshots where market = 'dallas-tx'"
    )


def test_a_market_leaves_less_than_10_kb_in_xcom_and_events(pipeline: Pipeline) -> None:
    """XCom rows of a mapped extraction and the asset events of its partition stay below 10 kB together."""
    pipeline.wait_until_loaded("boston-ma")
    xcom = pipeline.metadata("select dag_id, task_id, value::text from xcom")
    landed = [len(value) for dag, task, value in xcom if (dag, task) == ("extract_listings", "land_listings")]
    assert len(landed) >= 3
    events = pipeline.metadata("select partition_key, length(extra::text) from asset_event")
    sizes = {key: sum(size for other, size in events if other == key) for key, _ in events if key}
    assert any("boston-ma" in key for key in sizes)
    # A batch has as many sets as were ready together: a market leaves its own part.
    others = [len(value) / max(1, value.count('"set_id"')) for _, task, value in xcom if task != "land_listings"]
    assert TEN_KB > max(landed) + max(sizes.values()) + max(others)


@pytest.mark.wave
def test_a_manual_run_without_a_partition_key_reaches_the_warehouse(pipeline: Pipeline) -> None:
    """A keyless run takes the day of its run_after as its date, and its market wakes the rest as well."""
    assert "success" == pipeline.finish(pipeline.extract(["salem, or"], key=None))
    pipeline.wait_until_loaded("salem-or")
    [manifest] = [key for key in pipeline.keys("raw", "listings/") if "salem-or" in key and "_manifest" in key]
    assert f"/date={pipeline.today}/" in manifest


@pytest.mark.late_wave
def test_a_market_extracted_again_is_accounted_for_by_its_newer_set(pipeline: Pipeline) -> None:
    """The account of the first extraction names the second's set, adds up, and counts as reported with it."""
    first = pipeline.extract(["eugene, or", "bend, or"])
    assert "success" == pipeline.finish(first)
    pipeline.wait_until_loaded("eugene-or", "bend-or")
    assert "success" == pipeline.finish(pipeline.extract(["eugene, or"]))
    newest = "select max(set_id) from core.load_audit where market = 'eugene-or' having count(*) = 2"
    pipeline.until(lambda: pipeline.warehouse(newest) != [], "the second set is loaded")

    books = Books(pipeline.stack)
    kept, again = books.lines([first])

    assert [] == kept.differences() + again.differences()
    assert (None, 0) == (kept.superseded_by, again.warehouse)
    assert 0 < again.superseded == pipeline.loaded("eugene-or")
    assert [(again.superseded_by,)] == pipeline.warehouse(newest)
    pipeline.until(lambda: books.reported([first]) == 2, "the report has the day of both markets")


@pytest.mark.late_wave
def test_a_poorer_look_takes_no_day_until_the_fuller_is_withdrawn(pipeline: Pipeline) -> None:
    """Three pages, then one: the day stays with the three; withdrawn they leave it, given back they return."""
    assert "success" == pipeline.finish(pipeline.extract(["san antonio, tx"], page_limit=3))
    pipeline.wait_until_loaded("san-antonio-tx")
    fuller = pipeline.loaded("san-antonio-tx")
    assert "success" == pipeline.finish(pipeline.extract(["san antonio, tx"], page_limit=1))
    judged = (
        "select verdict, clean, set_id from core.load_audit "
        "where market = 'san-antonio-tx' and status = 'loaded' order by observed_at"
    )
    pipeline.until(lambda: len(pipeline.warehouse(judged)) == 2, "both sets are in the audit")

    [held, lost] = pipeline.warehouse(judged)
    assert ("holds", fuller, "poorer", fuller) == (*held[:2], lost[0], pipeline.loaded("san-antonio-tx"))

    withdrawal = {"set": held[2], "reason": "tried by a test"}
    for more, left, expected in (
        ({}, lost[1], ["withdrawn", "holds"]),
        ({"give_back": True}, fuller, ["holds", "poorer"]),
    ):
        run_id = pipeline.airflow.trigger("withdraw_listings", conf={**withdrawal, **more})
        assert "success" == pipeline.finish(run_id, "withdraw_listings")
        pipeline.until(lambda left=left: pipeline.loaded("san-antonio-tx") == left, f"the day has {left} listings")
        assert expected == [verdict for verdict, *_ in pipeline.warehouse(judged)]


@pytest.mark.late_wave
def test_nine_markets_three_seconds_apart_all_arrive(pipeline: Pipeline) -> None:
    """Events that come three seconds apart wake the busy loader again and again, and no market is lost."""
    cities = ["akron", "dayton", "toledo", "canton", "lima", "marion", "newark", "lorain", "mentor"]
    runs = [pipeline.extract(["akron, oh"])]
    pipeline.until(lambda: pipeline.metadata(LOADER_RUNS_AFTER, "%/akron-oh|%") != [], "the loader is busy with akron")
    for city in cities[1:]:
        runs.append(pipeline.extract([f"{city}, oh"]))
        time.sleep(3)
    assert ["success"] * 9 == [pipeline.finish(run_id) for run_id in runs]
    pipeline.wait_until_loaded(*(f"{city}-oh" for city in cities))

    emitted = pipeline.metadata(
        "select e.timestamp from asset_event e join asset a on a.id = e.asset_id"
        " where a.name = 'landed_listings' and e.partition_key like '%%-oh|%%'"
        " and e.source_dag_id = 'extract_listings' order by 1"
    )
    assert 9 == len(emitted)
    assert timedelta(seconds=8 * 3 - 10) < emitted[-1][0] - emitted[0][0]
    batches = pipeline.warehouse("select count(distinct batch_id) from core.load_audit where market like '%%-oh'")
    assert 1 < batches[0][0]


def test_airflows_own_identity_may_only_assume_the_role(pipeline: Pipeline) -> None:
    """The credentials in Airflow's environment cannot list a bucket; the role they may assume can."""
    bucket = pipeline.environment["LISTINGS_LANDING_BUCKET"]
    base = {
        "aws_access_key_id": pipeline.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": pipeline.environment["AWS_SECRET_ACCESS_KEY"],
    }
    with pytest.raises(ClientError, match="AccessDenied"):
        pipeline.client("s3", **base).list_objects_v2(Bucket=bucket)
    role = "arn:aws:iam::000000000000:role/listings-local-airflow"
    assumed = pipeline.client("sts", **base).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = {
        "aws_access_key_id": assumed["AccessKeyId"],
        "aws_secret_access_key": assumed["SecretAccessKey"],
        "aws_session_token": assumed["SessionToken"],
    }
    assert "KeyCount" in pipeline.client("s3", **session).list_objects_v2(Bucket=bucket)
