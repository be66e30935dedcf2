"""Every DAG file keeps the house rules: found, documented, bounded, and parsed without asking anybody anything."""

import ast
import importlib
import pkgutil
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import RetryAction
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import ParamValidationError

import include
from include.base.refusals import Refused
from include.contract.families import known_sources
from include.extract.operator import LandListingsOperator
from include.sense.sensor import CleanSetSensor
from tests.dags.conftest import DAGS_FOLDER, PROJECT_ROOT
from tests.support.dag_ids import DAG_IDS

LONGEST_DAG_FILE = 131
GONE = re.compile(r"\b(logical_date|execution_date|data_interval\w*|ds|ds_nodash|ts|ts_nodash|prev_\w+_success)\b")
LOOK_UPS = {
    "Variable": "from airflow.sdk import Variable\nVariable.get('markets')\n",
    "connection": "from airflow.sdk import BaseHook\nBaseHook.get_connection('zillow_api')\n",
    "a connection to": "import socket\nsocket.create_connection(('127.0.0.1', 9))\n",
}


def dag_files() -> list[Path]:
    """The DAG files; never none."""
    assert DAGS_FOLDER.is_dir(), f"{DAGS_FOLDER} is gone"
    found = sorted(DAGS_FOLDER.glob("*.py"))
    assert found, f"no DAG file in {DAGS_FOLDER}"
    return found


def tasks_of(dags: dict[str, Any]) -> list[tuple[str, Any]]:
    """Every task with its full name; never none."""
    found = [(f"{dag_id}.{task.task_id}", task) for dag_id, dag in dags.items() for task in dag.tasks]
    assert len(found) >= 2 * len(DAG_IDS)
    return found


def setting(task: Any, name: str) -> Any:
    """A setting of a task, mapped or not."""
    if isinstance(task, MappedOperator):
        return task.partial_kwargs.get(name, getattr(task, name, None))
    return getattr(task, name)


def gone_names(source: str) -> list[str]:
    """The context names in Python or SQL text that a partitioned run does not have."""
    return GONE.findall(source)


def test_exactly_the_expected_dags_are_found(dags: dict[str, Any]) -> None:
    """The folder is there and holds these DAGs, no fewer and no more."""
    assert [f"{dag_id}.py" for dag_id in DAG_IDS] == [path.name for path in dag_files()]
    assert DAG_IDS == sorted(dags)


@pytest.mark.parametrize(("what", "source"), LOOK_UPS.items())
def test_a_file_that_asks_while_it_is_parsed_would_be_found(
    tmp_path: Path, closed_off: None, what: str, source: str
) -> None:
    """A Variable, a connection or the network at module level is an import error that says so."""
    file = tmp_path / "asking.py"
    file.write_text(f"from airflow.sdk import dag\n{source}")

    errors = DagBag(tmp_path).import_errors
    assert [str(file)] == [str(tmp_path / name) for name in errors]
    assert what in next(iter(errors.values()))


@pytest.mark.parametrize("path", dag_files(), ids=lambda path: path.stem)
def test_a_file_defines_the_dag_of_its_name(path: Path, dags: dict[str, Any]) -> None:
    """File stem, dag_id and the function's name are one."""
    functions = [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == "dag" for each in node.decorator_list)
    ]

    assert [path.stem] == functions
    assert path.name == Path(dags[path.stem].fileloc).name


@pytest.mark.parametrize("path", dag_files(), ids=lambda path: path.stem)
def test_a_file_is_wiring_only(path: Path) -> None:
    """A DAG file is no longer than 131 lines and has no class."""
    assert len(path.read_text().splitlines()) <= LONGEST_DAG_FILE
    assert [] == [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_tells_the_person_on_call_what_to_know(dags: dict[str, Any], dag_id: str) -> None:
    """Its documentation is the file's docstring: when it wakes, what it reads and writes, what to do when it fails."""
    text = dags[dag_id].doc_md or ""

    assert (ast.get_docstring(ast.parse((DAGS_FOLDER / f"{dag_id}.py").read_text())) or "").strip() == text.strip()
    assert text.lstrip().startswith("### ")
    for words in (
        r"\*\*Wakes\*\*",
        r"\*\*Reads\*\*",
        r"\*\*(Writes|Mends)\*\*",
        r"\*\*When [^*]*(fails|out|closed)\*\*",
    ):
        assert re.search(words, text), f"{dag_id} does not say {words}"


def test_every_task_has_an_owner_and_a_limit(dags: dict[str, Any]) -> None:
    """Each task is ours and ends in time; only those that look, or put what they would put again, are repeated."""
    policies = {name: (task.owner, task.retries, task.execution_timeout) for name, task in tasks_of(dags)}

    looking = (
        "sense_listings.expect_sets",
        "sense_listings.sense_set.wait_until_clean",
        "sense_listings.sense_set.pass_gates",
        "load_listings.plan_batches",
        "replay_listings.replay_date.wait",
        "report_listings.build_marts",
        "report_listings.publish_report",
    )
    repeated = dict.fromkeys(looking, 3)
    long = {"extract_listings.land_listings": timedelta(hours=2)}
    half = timedelta(minutes=30)
    assert {name: ("listings", repeated.get(name, 0), long.get(name, half)) for name in policies} == policies


def test_no_task_repeats_what_no_waiting_cures(dags: dict[str, Any]) -> None:
    """Whatever is refused for good fails at once; of the faults of include only these may pass by themselves."""
    for name, task in tasks_of(dags):
        assert RetryAction.FAIL == task.retry_policy.evaluate(Refused("for good"), 1, 3).action, name
        assert RetryAction.DEFAULT == task.retry_policy.evaluate(TimeoutError("for now"), 1, 3).action, name
    ours = {
        each
        for module in pkgutil.walk_packages(include.__path__, "include.")
        for each in vars(importlib.import_module(module.name)).values()
        if isinstance(each, type) and issubclass(each, Exception) and each.__module__.startswith("include.")
    }
    passing = {"LedgerBusy", "NotAPage", "NotThere", "StoreTrouble"}
    assert passing == {each.__name__ for each in ours if not issubclass(each, Refused)}


def test_every_python_task_says_what_it_returns(dags: dict[str, Any]) -> None:
    """Each task function has a docstring."""
    functions = {
        name: setting(task, "python_callable")
        for name, task in tasks_of(dags)
        if "python" in type(task).__name__.lower() or "_Python" in str(getattr(task, "operator_class", ""))
    }

    assert 9 <= len(functions)
    assert [] == [name for name, function in functions.items() if not (function and function.__doc__)]


@pytest.mark.parametrize(
    "path",
    [*dag_files(), *sorted((PROJECT_ROOT / "include").rglob("*.sql"))],
    ids=lambda path: str(path.relative_to(PROJECT_ROOT)),
)
def test_nothing_uses_what_a_partitioned_run_lacks(path: Path) -> None:
    """No DAG file and no SQL template names a logical date, a data interval or one of their short forms."""
    assert [] == gone_names(path.read_text())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ ds }}", ["ds"]),
        ("{{ ts_nodash }}", ["ts_nodash"]),
        ("context['logical_date']", ["logical_date"]),
        ("{{ data_interval_start }}", ["data_interval_start"]),
        ("adds, sends, records, lists", []),
    ],
)
def test_the_search_for_those_names_finds_them(source: str, expected: list[str]) -> None:
    """The search above would find each form, and no word that only looks like one."""
    assert expected == gone_names(source)


def test_extraction_waits_for_its_turn(dags: dict[str, Any]) -> None:
    """The mapped extraction runs in the pool that all markets of a key share, and shows the market's name."""
    task = dags["extract_listings"].get_task("land_listings")

    assert isinstance(task, MappedOperator)
    assert LandListingsOperator is task.operator_class
    assert ("zillow_api", "{{ task.market_name }}") == (
        setting(task, "pool"),
        setting(task, "map_index_template"),
    )


def test_extraction_only_reads() -> None:
    """The operator asks with GET, in the task itself: no POST by default, no trigger that drops the retries."""
    operator = LandListingsOperator(task_id="land", request={})

    assert ("GET", False) == (operator.method, operator.deferrable)


def test_the_sensor_waits_cheaply_and_not_for_ever(dags: dict[str, Any]) -> None:
    """It gives its slot back between two looks, is not deferred, and times out after a quarter of an hour."""
    [sensor] = [task for _, task in tasks_of(dags) if isinstance(task, CleanSetSensor)]

    assert ("reschedule", False, 900.0, 10.0) == (sensor.mode, sensor.deferrable, sensor.timeout, sensor.poke_interval)
    assert (False, False, None) == (sensor.wildcard_match, sensor.use_regex, sensor.check_fn)


def test_only_what_spends_money_is_created_paused(dags: dict[str, Any]) -> None:
    """extract_listings starts paused, the others awake."""
    assert {dag_id: dag_id == "extract_listings" for dag_id in DAG_IDS} == {
        dag_id: dag.is_paused_upon_creation for dag_id, dag in dags.items()
    }


def test_no_dag_makes_up_for_the_past(dags: dict[str, Any]) -> None:
    """None catches up: the APIs serve only today."""
    assert {False} == {dag.catchup for dag in dags.values()}


def test_the_warehouse_is_loaded_by_one_run_at_a_time(dags: dict[str, Any]) -> None:
    """Loads and reconciliations don't overlap themselves; nine markets are sensed at once."""
    runs = {dag_id: dag.max_active_runs for dag_id, dag in dags.items()}

    assert (1, 1) == (runs["load_listings"], runs["reconcile_listings"])
    assert runs["sense_listings"] >= 9


def test_a_form_explains_each_of_its_fields(dags: dict[str, Any]) -> None:
    """Every param has a title and a description, for the form in the UI."""
    params = {f"{dag_id}.{name}": dag.params.get_param(name) for dag_id, dag in dags.items() for name in dag.params}

    assert {
        "extract_listings.markets",
        "extract_listings.source",
        "extract_listings.listing",
        "extract_listings.page_limit",
        "extract_listings.date_override",
        "extract_listings.quota_override",
        "load_listings.retry_suspects",
        "replay_listings.from_date",
        "replay_listings.to_date",
        "replay_listings.markets",
        "replay_listings.source",
        "replay_listings.only_missing",
        "reconcile_listings.days",
        "reconcile_listings.retry_stuck",
        "report_listings.full",
        "withdraw_listings.set",
        "withdraw_listings.reason",
        "withdraw_listings.give_back",
    } == set(params)
    assert [] == [name for name, param in params.items() if not (param.schema.get("title") and param.description)]


def test_the_form_offers_every_known_family(dags: dict[str, Any]) -> None:
    """A new adapter file is on offer without a change of the DAG."""
    assert list(known_sources()) == dags["extract_listings"].params.get_param("source").schema["enum"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("markets", []), ("markets", "houston, tx"), ("source", "zillow57"), ("page_limit", 0), ("page_limit", 21)],
)
def test_a_param_outside_its_bounds_is_refused(dags: dict[str, Any], name: str, value: Any) -> None:
    """The form does not take no market, an unknown family, or a page limit that the API does not have."""
    param = dags["extract_listings"].params.get_param(name)

    with pytest.raises(ParamValidationError):
        param.resolve(value)
