"""withdraw_listings on a real S3, run in-process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session

from include.base.keys import SetKey
from include.base.refusals import Refused
from include.base.settings import resources
from include.ledger.withdrawals import of_date
from tests.support.backends import DATE, Extraction

SET = SetKey("zillow56", "houston-tx", DATE, "20261122T060003Z-1f3a9c")
NAME = f"zillow56/houston-tx/{DATE}/20261122T060003Z-1f3a9c"


@pytest.fixture
def raw(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket that holds two complete sets of a day, and what reads its withdrawals."""
    bucket = resources().raw_bucket
    extraction.s3.create_bucket(Bucket=bucket)
    for key in (SET, replace(SET, extract_id="20261122T120003Z-2b4c8d")):
        extraction.s3.put_object(Bucket=bucket, Key=key.manifest, Body=b"the manifest")
    return SimpleNamespace(s3=extraction.s3, bucket=bucket, withdrawn=lambda: of_date(extraction.s3, bucket, DATE))


@pytest.fixture
def run(dags: dict[str, Any], metadata_database: None, raw: Any) -> Callable[..., Any]:
    """Runs the DAG in-process with a conf."""
    dag = dags["withdraw_listings"]
    return lambda **conf: dag.test(logical_date=None, run_after=datetime.now(UTC), run_conf=conf)


def woken(run_id: str) -> list[str | None]:
    """The partitions of the events of `clean_listings` that a run emitted."""
    with create_session() as session:
        found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        rows = found.filter(AssetModel.name == "clean_listings", AssetEvent.source_run_id == run_id).all()
        return sorted(row.partition_key for row in rows)


def test_a_set_is_withdrawn_and_given_back_and_each_wakes_the_load(run: Callable[..., Any], raw: Any) -> None:
    """The object has reason, person and moment, and is gone again; both runs emit the set's partition."""
    done = run(set=f" {NAME}/aaaaaaaaaaaa ", reason="other town")
    body = raw.s3.get_object(
        Bucket=raw.bucket, Key=f"withdrawn/date={DATE}/zillow56~houston-tx~20261122T060003Z-1f3a9c.json"
    )

    assert ("success", {SET: "other town"}) == (str(done.state), raw.withdrawn())
    said = json.loads(body["Body"].read())
    assert (NAME, "dag_test", done.run_after) == (said["set"], said["by"], datetime.fromisoformat(said["at"]))
    again = run(set=NAME, reason="another")
    assert {SET: "other town"} == raw.withdrawn()
    back = run(set=NAME, give_back=True)
    assert ("success", {}) == (str(back.state), raw.withdrawn())
    assert [[f"zillow56/houston-tx|{DATE}"]] * 3 == [woken(each.run_id) for each in (done, again, back)]


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        pytest.param({"set": NAME}, "reason '' .*expected one line of 1 to 300", id="no reason"),
        pytest.param({"set": NAME, "reason": "a\nb"}, "expected one line of 1 to 300", id="two lines"),
        pytest.param({"set": "houston-tx", "reason": "a"}, "'houston-tx': expected source/market/date/", id="no set"),
        pytest.param(
            {"set": f"zillow56/houston-tx/{DATE}/x", "reason": "a"},
            f"no set zillow56/houston-tx/{DATE}/x lies in .*has {NAME}, zillow56/.*2b4c8d",
            id="not in raw",
        ),
        pytest.param(
            {"set": f"zillow56/houston-tx/{DATE}/x", "give_back": True}, "no set .*/x lies in", id="given back, unknown"
        ),
        pytest.param({"set": NAME, "why": "a"}, "unknown in the run's conf: why; known are give_back, ", id="misspelt"),
    ],
)
def test_what_is_refused_fails_for_good_in_words(
    dags: dict[str, Any], raw: Any, conf: dict[str, Any], words: str
) -> None:
    """Nothing is withdrawn, nothing is announced, and no retry is made of it."""
    events: dict[Any, Any] = {}  # whoever announces something gets a KeyError
    act = dags["withdraw_listings"].get_task("withdraw_set").python_callable
    its = SimpleNamespace(conf=conf, triggering_user_name="anna", run_after=datetime.now(UTC))

    with pytest.raises(Refused, match=f"(?s){words}"):
        act(
            params={"reason": None, "give_back": False, **conf},
            dag_run=its,
            dag=dags["withdraw_listings"],
            outlet_events=events,
        )
    assert {} == raw.withdrawn()
