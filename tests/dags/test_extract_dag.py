"""extract_listings as a whole, run in-process without a logical date, with the real API and S3 behind it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import ParamValidationError
from airflow.utils.session import create_session

from include.base.keys import extract_id
from include.base.refusals import Refused
from tests.support.backends import Extraction


class _Run:
    """What plan_requests sees of its run and of itself."""

    def __init__(self, run_after: datetime, started_at: datetime | None = None) -> None:
        self.run_after = run_after
        self.run_id = "manual__example"
        self.start_date = started_at or run_after
        self.conf: dict[str, Any] = {}


def run(dag: Any, moment: datetime, **params: Any) -> Any:
    """A manual run without a partition key and without a logical date."""
    conf = {"markets": ["houston, tx", "monowi, ne"], "source": "zillow56", "page_limit": 2, "date_override": None}
    return dag.test(logical_date=None, run_after=moment, run_conf={**conf, **params})


def states(dag_run: Any) -> Counter[tuple[str, str]]:
    """How many instances of each task ended how."""
    return Counter((ti.task_id, str(ti.state)) for ti in dag_run.get_task_instances())


def xcom_bytes(run_id: str, task_id: str) -> dict[int, int]:
    """The bytes of the returned value of each instance of a task, as the metadata database holds them."""
    with create_session() as session:
        rows = session.query(XComModel).filter(XComModel.run_id == run_id, XComModel.task_id == task_id).all()
        return {row.map_index: len(str(row.value).encode()) for row in rows if row.key == "return_value"}


def events(run_id: str) -> dict[str | None, AssetEvent]:
    """The run's events of landed_listings by partition key."""
    with create_session() as session:
        found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        rows = found.filter(AssetModel.name == "landed_listings", AssetEvent.source_run_id == run_id).all()
        session.expunge_all()
        return {row.partition_key: row for row in rows}


def test_a_run_lands_every_market_and_announces_each(
    dags: dict[str, Any], metadata_database: None, extraction: Extraction
) -> None:
    """A keyless run succeeds; each market is under the day of run_after, has an event of its own and a small XCom."""
    moment = datetime.now(UTC) - timedelta(minutes=2)
    day = moment.date().isoformat()

    done = run(dags["extract_listings"], moment)

    assert ("success", None) == (str(done.state), done.logical_date)
    assert {("plan_requests", "success"): 1, ("land_listings", "success"): 2} == states(done)
    prefixes = {
        market: f"listings/source=zillow56/market={market}/date={day}/extract={extract_id(moment, done.run_id)}/"
        for market in ("houston-tx", "monowi-ne")
    }
    assert sorted(
        [
            prefixes["houston-tx"] + "_manifest.json",
            prefixes["houston-tx"] + "page-0001.json",
            prefixes["houston-tx"] + "page-0002.json",
            prefixes["monowi-ne"] + "_manifest.json",
            prefixes["monowi-ne"] + "page-0001.json",
        ]
    ) == extraction.landed("listings/")
    announced = events(done.run_id)
    assert {f"zillow56/houston-tx|{day}", f"zillow56/monowi-ne|{day}"} == set(announced)
    assert {"houston-tx": 20, "monowi-ne": 1} == {
        event.extra["market"]: event.extra["listings"] for event in announced.values()
    }
    sizes = xcom_bytes(done.run_id, "land_listings")
    assert {0, 1} == set(sizes)
    assert max(sizes.values()) < 10_000


def test_a_market_that_fails_holds_up_no_other(
    dags: dict[str, Any], metadata_database: None, extraction: Extraction
) -> None:
    """The run ends failed, the other market is complete and announced, the failed one is neither."""
    moment = datetime.now(UTC) - timedelta(minutes=1)
    day = moment.date().isoformat()
    extraction.fault({"location": "houston, tx", "page": 2, "body": {"message": "Something went wrong"}, "times": None})

    failed = run(dags["extract_listings"], moment)

    assert "failed" == str(failed.state)
    assert {
        ("plan_requests", "success"): 1,
        ("land_listings", "success"): 1,
        ("land_listings", "failed"): 1,
    } == states(failed)
    assert {"houston, tx": "failed", "monowi, ne": "success"} == {
        ti.rendered_map_index or ti._rendered_map_index: str(ti.state)
        for ti in failed.get_task_instances()
        if ti.task_id == "land_listings"
    }
    assert {f"zillow56/monowi-ne|{day}"} == set(events(failed.run_id))
    assert ["_manifest.json"] == [key.rsplit("/", 1)[1] for key in extraction.landed() if "_manifest" in key]


@pytest.mark.parametrize(
    "params",
    [
        {"source": "zillow57"},
        {"markets": []},
        {"markets": [7]},
        {"listing": "lease"},
        {"page_limit": 21},
        {"page_limit": "all"},
    ],
)
def test_params_out_of_bounds_start_no_run(
    dags: dict[str, Any], metadata_database: None, extraction: Extraction, params: dict[str, Any]
) -> None:
    """Params that the form would not take end the run before anything is asked."""
    with pytest.raises((ParamValidationError, ValueError), match=next(iter(params))):
        run(dags["extract_listings"], datetime.now(UTC), **params)
    assert {} == extraction.asked()


def plan(dags: dict[str, Any], dag_run: _Run, partition_key: str | None = None, **params: Any) -> list[dict[str, Any]]:
    """What plan_requests returns, called as a plain function."""
    ordinary = {
        "markets": ["houston, tx"],
        "source": "zillow56",
        "listing": "sale",
        "page_limit": 2,
        "date_override": None,
        "quota_override": None,
    }
    function = dags["extract_listings"].get_task("plan_requests").python_callable
    dag = dags["extract_listings"]
    requests = function(
        params={**ordinary, **params}, partition_key=partition_key, dag_run=dag_run, ti=dag_run, dag=dag
    )
    assert isinstance(requests, list)
    return requests


def test_a_misspelt_param_spends_nothing(dags: dict[str, Any], metadata_database: None, extraction: Extraction) -> None:
    """A run whose conf has a name that the DAG has not fails before its first request: the defaults were not meant."""
    done = run(dags["extract_listings"], datetime.now(UTC), market=["boise, id"])

    assert "failed" == str(done.state)
    assert {} == extraction.asked()


def test_the_plan_takes_the_key_or_the_day_of_the_run(dags: dict[str, Any], extraction: Extraction) -> None:
    """With a partition key the date is the key, without one the day of run_after; the task's start is not asked."""
    late = _Run(datetime(2026, 11, 22, 23, 59, tzinfo=UTC), datetime(2026, 11, 23, 0, 1, tzinfo=UTC))

    assert ["2026-11-21"] == [each["date"] for each in plan(dags, late, "2026-11-21")]
    assert ["2026-11-22"] == [each["date"] for each in plan(dags, late)]


def test_the_plan_refuses_a_date_that_is_not_today(dags: dict[str, Any], extraction: Extraction) -> None:
    """A date more than 36 hours off is refused, unless a reason is given, which the request carries."""
    today = _Run(datetime(2026, 11, 22, 6, tzinfo=UTC))

    with pytest.raises(Refused, match=r"2026-11-01 is more than 36 hours"):
        plan(dags, today, "2026-11-01")
    assert ["outage"] == [each["date_override"] for each in plan(dags, today, "2026-11-01", date_override="outage")]


def test_the_plan_refuses_what_is_no_market(dags: dict[str, Any]) -> None:
    """A market of several lines and one named twice are refused by name."""
    today = _Run(datetime(2026, 11, 22, 6, tzinfo=UTC))

    with pytest.raises(Refused, match="expected one line"):
        plan(dags, today, markets=["houston\ntx"])
    with pytest.raises(Refused, match="named twice"):
        plan(dags, today, markets=["houston, tx", "Houston TX"])


def test_a_search_that_a_family_does_not_offer_reserves_nothing(dags: dict[str, Any], extraction: Extraction) -> None:
    """It is refused with what the family offers, before the quota; another family takes it for a market of its own."""
    today = _Run(datetime.now(UTC))

    with pytest.raises(Refused, match=r"listing 'rent': zillow-com4 is not known to offer such a search, but sale:"):
        plan(dags, today, source="zillow-com4", listing="rent")
    assert ({}, []) == (extraction.asked(), extraction.landed())
    assert [("houston-tx-rent", "rent")] == [(e["market"], e["listing"]) for e in plan(dags, today, listing="rent")]


def test_the_plan_refuses_a_param_that_there_is_none_of(dags: dict[str, Any]) -> None:
    """A misspelt key in the run's conf is named with the known ones, and no request is planned on the defaults."""
    today = _Run(datetime(2026, 11, 22, 6, tzinfo=UTC))
    today.conf = {"page_limt": 2}

    with pytest.raises(
        Refused,
        match="page_limt; known are date_override, listing, markets, page_limit, quota_override, source",
    ):
        plan(dags, today)


def test_the_plan_refuses_what_the_quota_has_not(
    dags: dict[str, Any], extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By how much, of what, and what to do is said before anything is asked of the API; fewer markets then fit."""
    monkeypatch.setenv("LISTINGS_QUOTA_BUDGET", "50")
    monkeypatch.setenv("LISTINGS_QUOTA_RESERVE", "5")
    today = _Run(datetime.now(UTC))

    with pytest.raises(
        Refused,
        match=r"60 requests of zillow56 are wanted and 45 are left, 15 too few: of 50 budgeted for .* "
        r"5 are kept back .* name fewer markets, lower the page limit to 15, raise LISTINGS_QUOTA_BUDGET, or wait",
    ):
        plan(dags, today, markets=["houston, tx", "austin, tx", "phoenix, az"], page_limit=20)
    assert ({}, []) == (extraction.asked(), extraction.landed())
    assert 2 == len(plan(dags, today, markets=["houston, tx", "austin, tx"], page_limit=20))


def test_more_markets_than_airflow_maps_reserve_nothing(
    dags: dict[str, Any], extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Airflow's own bound 1,100 markets are refused before anything is reserved; by the stack's they are planned."""
    markets = [f"town {number}, tx" for number in range(1100)]

    with pytest.raises(Refused, match="1100 markets are named, and Airflow makes 1024 tasks"):
        plan(dags, _Run(datetime.now(UTC)), markets=markets)
    assert ({}, []) == (extraction.asked(), extraction.landed())
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "10000")
    assert 1100 == len(plan(dags, _Run(datetime.now(UTC)), markets=markets))
    assert 1 == len(extraction.entries())


def test_a_plan_that_is_cleared_reserves_once(
    dags: dict[str, Any], extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned twice the same run holds 40 of 50; another run of 20 is refused, of 10 is not."""
    monkeypatch.setenv("LISTINGS_QUOTA_BUDGET", "50")
    one = _Run(datetime.now(UTC))
    for _ in range(2):
        plan(dags, one, markets=["houston, tx", "austin, tx"], page_limit=20)
    other = _Run(datetime.now(UTC) + timedelta(seconds=1))

    assert 1 == len(extraction.entries())
    with pytest.raises(Refused, match="and 10 are left, 10 too few"):
        plan(dags, other, page_limit=20)
    assert [10] == [each["page_limit"] for each in plan(dags, other, page_limit=10)]


def test_a_run_that_does_not_fit_fails_before_its_first_request(
    dags: dict[str, Any], metadata_database: None, extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a real run plan_requests fails, and no market is extracted."""
    monkeypatch.setenv("LISTINGS_QUOTA_BUDGET", "3")

    failed = run(dags["extract_listings"], datetime.now(UTC) - timedelta(minutes=3))

    assert ("failed", "failed") == (str(failed.state), str(failed.get_task_instance("plan_requests").state))
    assert ({}, []) == (extraction.asked(), extraction.landed())
