"""An Airflow of the tests' own: a home in a temporary folder, SQLite, no key, no connection but what a test sets.

Airflow reads where its home is when it is first imported, so that is set here, before any test module
imports it, and taken back at once: what other tests start must not inherit it.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DAGS_FOLDER = PROJECT_ROOT / "dags"


def _import_airflow_at(home: Path) -> None:
    assert "airflow" not in sys.modules, "Airflow is imported already, with a home that is not the tests' own"
    (home / "airflow.cfg").write_text(
        f"[core]\ndags_folder = {DAGS_FOLDER}\nload_examples = False\nunit_test_mode = False\n"
        f"[database]\nsql_alchemy_conn = sqlite:///{home}/airflow.db\n"
        f"[logging]\nbase_log_folder = {home}/logs\n"
        "[dag_processor]\ndag_version_inflation_check_level = error\n"
    )
    before = os.environ.get("AIRFLOW_HOME")
    os.environ["AIRFLOW_HOME"] = str(home)
    import airflow.settings  # noqa: F401

    if before is None:
        del os.environ["AIRFLOW_HOME"]
    else:
        os.environ["AIRFLOW_HOME"] = before


_HOME = Path(tempfile.mkdtemp(prefix="listings-tests-airflow-"))
_bucket_numbers = itertools.count(1)
_import_airflow_at(_HOME)


def pytest_unconfigure() -> None:
    """Removes Airflow's home; at the interpreter's exit a busy worker may be killed before it comes to that."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings, connections or Variables of whoever runs it."""
    for name in os.environ:
        if name.startswith(("LISTINGS_", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AIRFLOW__", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def closed_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing can be looked up: no network but Unix sockets, no Variable, no connection."""
    with monkeypatch.context() as patch:
        close_off(patch)
        yield


def close_off(patch: pytest.MonkeyPatch) -> None:
    """Makes every look-up raise, naming what was looked up."""
    from airflow.sdk import BaseHook, Connection, Variable

    connect = socket.socket.connect

    def only_unix(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            raise AssertionError(f"a connection to {address} while a DAG file is parsed")
        connect(self, address)

    def refuse(what: str) -> Any:
        def refused(*args: object, **kwargs: object) -> NoReturn:
            raise AssertionError(f"a {what} is looked up while a DAG file is parsed: {args}")

        return refused

    patch.setattr(socket.socket, "connect", only_unix)
    patch.setattr(Variable, "get", refuse("Variable"))
    patch.setattr(Connection, "get", refuse("connection"))
    patch.setattr(BaseHook, "get_connection", refuse("connection"))


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """The project's DAGs by id, parsed with everything closed off."""
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("LISTINGS_", "AIRFLOW_CONN_", "AIRFLOW_VAR_")):
                patch.delenv(name)
        close_off(patch)
        bag = DagBag(DAGS_FOLDER)
    assert {} == bag.import_errors
    return dict(bag.dags)


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """The tables of Airflow's metadata database, in the tests' own SQLite file."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def _api_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.support.backends import listing_api

    with listing_api(tmp_path_factory.mktemp("listing-api")) as api:
        yield api


@pytest.fixture(scope="session")
def _service_descriptions() -> Iterator[None]:
    """botocore reads its descriptions of S3 once, not for each of the clients that the tests make."""
    from botocore.loaders import JSONFileLoader

    load = JSONFileLoader.load_file
    load_once = functools.cache(lambda path: load(JSONFileLoader(), path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda loader, path: load_once(path))
        yield


@pytest.fixture(scope="session")
def _ministack(tmp_path_factory: pytest.TempPathFactory, _service_descriptions: None) -> Iterator[Any]:
    from tests.support.ministack import RunningMiniStack

    with RunningMiniStack(tmp_path_factory.mktemp("ministack")) as aws:
        yield aws


@pytest.fixture(scope="session")
def _s3(_ministack: Any) -> Any:
    return _ministack.client("s3")


@pytest.fixture
def extraction(
    _api_process: Any, _ministack: Any, _s3: Any, _nothing_set: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Extractions into an empty landing bucket, from a listing API that was never asked anything."""
    from include.base.settings import resources, tuning
    from tests.support.backends import Extraction, environment

    _api_process.post("/_control/reset").raise_for_status()
    _api_process.put("/_control/quota", json={"limit": 10_000}).raise_for_status()
    bucket = f"landing-{next(_bucket_numbers)}"
    for name, value in environment(_api_process, _ministack, bucket).items():
        monkeypatch.setenv(name, value)
    resources.cache_clear()
    tuning.cache_clear()
    yield Extraction(_api_process, _ministack, _s3, bucket)
    resources.cache_clear()
    tuning.cache_clear()
