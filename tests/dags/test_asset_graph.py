"""The assets' register, the DAGs' outlets and the DAGs' schedules tell one story."""

import ast
import re
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk import Asset, PartitionedAssetTimetable
from airflow.serialization.decoders import decode_partition_mapper
from airflow.serialization.encoders import encode_partition_mapper
from airflow.serialization.serialized_objects import DagSerialization

from include import assets
from tests.dags.conftest import PROJECT_ROOT

REGISTER = {value.name: value for value in vars(assets).values() if isinstance(value, Asset)}


def register_says(who: str) -> dict[str, set[str]]:
    """The DAGs that the docstring of each asset in the register names after `who`."""
    body = ast.parse((PROJECT_ROOT / "include" / "assets.py").read_text()).body
    said: dict[str, set[str]] = {}
    for node, following in pairwise(body):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        assert isinstance(following, ast.Expr), f"an asset without a docstring in line {node.lineno}"
        assert isinstance(following.value, ast.Constant), f"an asset without a docstring in line {node.lineno}"
        line = re.search(rf"^{who}: (.*?)\.\s*$", str(following.value.value), re.MULTILINE)
        assert line, f"line {node.lineno}: who it is {who.lower()} is not said"
        [name] = [ast.literal_eval(each.value) for each in node.value.keywords if each.arg == "name"]
        said[name] = set(re.findall(r"\b[a-z]+_listings\b", line[1]))
    assert set(REGISTER) == set(said)
    return said


def emitters(dags: dict[str, Any]) -> dict[str, set[str]]:
    """The DAGs with a task that has the asset as an outlet."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for dag_id, dag in dags.items():
        for task in dag.tasks:
            for outlet in task.outlets:
                found[outlet.name].add(dag_id)
    return dict(found)


def consumers(dags: dict[str, Any]) -> dict[str, set[str]]:
    """The DAGs that wake on the asset; an asset of which there is no consumer has an empty set."""
    found: dict[str, set[str]] = {name: set() for name in REGISTER}
    for dag_id, dag in dags.items():
        if isinstance(dag.timetable, PartitionedAssetTimetable):
            condition = dag.timetable.asset_condition
            for asset in getattr(condition, "objects", [condition]):
                found[asset.name].add(dag_id)
    return found


def test_whoever_emits_is_in_the_register(dags: dict[str, Any]) -> None:
    """Each asset is emitted by exactly the DAGs that its docstring names."""
    assert register_says("Emitted by") == emitters(dags)


def test_whoever_consumes_is_in_the_register(dags: dict[str, Any]) -> None:
    """Each asset wakes exactly the DAGs that its docstring names."""
    assert register_says("Consumed by") == consumers(dags)


def test_the_chain_goes_from_the_api_to_the_report(dags: dict[str, Any]) -> None:
    """extract → landed → sense → clean → load → warehouse → report; what mends wakes again at both joints."""
    assert {
        "landed_listings": {"extract_listings", "reconcile_listings", "redrive_listings"},
        "clean_listings": {"sense_listings", "reconcile_listings", "replay_listings", "withdraw_listings"},
        "suspect_listings": {"load_listings"},
        "warehouse_listings": {"load_listings", "reconcile_listings"},
        "market_report": {"report_listings"},
    } == emitters(dags)
    assert {
        "landed_listings": {"sense_listings"},
        "clean_listings": {"load_listings"},
        "suspect_listings": {"load_listings"},
        "warehouse_listings": {"report_listings"},
        "market_report": set(),
    } == consumers(dags)


@pytest.mark.parametrize("asset", REGISTER.values(), ids=lambda asset: asset.name)
def test_an_event_reaches_the_scheduler_with_its_outlet(dags: dict[str, Any], asset: Asset) -> None:
    """A mapped task's outlet is in the serialized DAG too: what the UI's graph and the scheduler go by."""
    serialized = {dag_id: str(DagSerialization.serialize_dag(dag)) for dag_id, dag in dags.items()}
    assert [] == [
        dag_id for dag_id in emitters(dags)[asset.name] if f"'name': '{asset.name}'" not in serialized[dag_id]
    ]


@pytest.mark.parametrize(
    ("dag_id", "expected"), [("sense_listings", "zillow56/houston-tx|2026-11-22"), ("load_listings", "all|2026-11-22")]
)
def test_a_set_wakes_the_run_of_its_key(dags: dict[str, Any], dag_id: str, expected: str) -> None:
    """The scheduler's mapper gives sense_listings a run per market and date, load_listings one per date."""
    mapper = decode_partition_mapper(encode_partition_mapper(dags[dag_id].timetable.default_partition_mapper))

    assert expected == mapper.to_downstream("zillow56/houston-tx|2026-11-22")


def test_each_asset_has_a_name_and_an_address_of_its_own() -> None:
    """Names and URIs are unique, and every asset is in the one group."""
    assert 5 == len(REGISTER) == len({asset.uri for asset in REGISTER.values()})
    assert {"listings"} == {asset.group for asset in REGISTER.values()}
