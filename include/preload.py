"""Imported once into the server that tasks are forked from: what each task would import and decode again.

`[core] mp_forkserver_preload` names this module. Importing it asks nothing of the network, looks up no connection and
no credential, and leaves no thread and no socket behind. What fails is said in the scheduler's log and left to the
tasks, because the fork server itself passes over a failed import in silence and dies of any other error.

A file of this folder that has changed since is imported again by the next task: no restart is needed while one works.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path

from botocore import UNSIGNED
from botocore.config import Config

log = logging.getLogger(__name__)

# Not pyarrow, which starts a thread: one task in a run needs it.
MODULES = (
    "airflow",
    "airflow.executors.local_executor",
    "airflow.sdk",
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.redshift_sql",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.hooks.sqs",
    "airflow.providers.amazon.aws.secrets.secrets_manager",
    "airflow.providers.standard.decorators.python",
    "include.alerts",
    "include.dag_defaults",
    "include.sense.drift",
    "include.sense.gates",
    "include.extract.operator",
    "include.reconcile.steps",
    "include.report.html",
    "include.report.steps",
)
SERVICES = ("secretsmanager", "sts", "s3", "sqs")
FOLDER = Path(__file__).parent


def preload() -> None:
    """Imports MODULES, makes a client of each of the SERVICES, and has the report's parts made; logs what fails."""
    try:
        with _report_parts():
            _import_and_decode()
    except Exception:
        log.exception("the parts of the report cannot be made ahead; each report will make its own")


def _report_parts() -> AbstractContextManager[None]:
    try:
        from include.report.page.parts import made_ahead
    except Exception:
        log.exception("include.report.page.parts cannot be imported ahead; each report will try by itself")
        return nullcontext()
    return made_ahead()


def _import_and_decode() -> None:
    for name in MODULES:
        try:
            import_module(name)
        except Exception:
            log.exception("%s cannot be imported ahead; each task that needs it will try by itself", name)
    try:
        _make_clients()
    except Exception:
        log.exception("no AWS client can be made ahead; each task will make its own from nothing")


def _make_clients() -> None:
    """Makes clients as tasks do, by the hook, and lets them go: what the hook and botocore have read stays.

    Unsigned clients need no credentials, so that none are looked for; the region decides nothing.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    unsigned = Config(signature_version=UNSIGNED)
    for service in SERVICES:
        AwsBaseHook(aws_conn_id=None, client_type=service, region_name="us-east-1", config=unsigned).get_conn()


def _files() -> frozenset[tuple[str, int, int, int]]:
    """Path, inode, time of change in nanoseconds and bytes of each file of this folder, compiled ones left out."""
    return frozenset(_stated())


def _stated() -> Iterator[tuple[str, int, int, int]]:
    for folder, _, names in os.walk(FOLDER):
        for name in names:
            if not name.endswith(".pyc"):
                state = os.stat(path := os.path.join(folder, name))  # noqa: PTH116, PTH118 - half of pathlib's time
                # Files of two releases have the same times: a zip sets them.
                yield path, state.st_ino, state.st_mtime_ns, state.st_size


_FOUND = _files()


def _forget_if_changed() -> None:
    """In a process just forked: unless the files are as they were, it imports them for itself."""
    try:
        changed = _files() != _FOUND
    except OSError:  # a file went while it was looked at
        changed = True
    if changed:
        for name in [name for name in sys.modules if name.partition(".")[0] == "include"]:
            del sys.modules[name]


preload()
os.register_at_fork(after_in_child=_forget_if_changed)
