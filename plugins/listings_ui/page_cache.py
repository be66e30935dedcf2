"""What the page shows, each kept for a few seconds: many who watch cost the database and S3 no more than one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from threading import Lock
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.base.settings import Resources, SettingsError, resources
from include.dag_defaults import AWS_CONN_ID
from include.ledger.shown import Reported
from include.progress.rows import History
from include.progress.table import Ledgers
from include.report.store import ReportStore, StoreTrouble, Summary
from listings_ui.metadata import read_history

FRESH = 3.0
"""Seconds that rows and listings are shown for."""
CLIENT_AGE = 600.0
AFTER_TROUBLE = 15.0

# A page waits for nobody: it says that S3 does not answer.
_CONFIG = Config(connect_timeout=3, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 2})


class Kept:
    """A value that is made anew when it is older than `age` seconds; a StoreTrouble is kept, too."""

    def __init__(self, make: Callable[..., Any], age: float) -> None:
        self._make, self._age = make, age
        self._found: dict[Any, tuple[float, Any]] = {}
        self._lock = Lock()

    def __call__(self, *of: Any) -> Any:
        """The value for these arguments, raised where it is a trouble."""
        with self._lock:
            until, value = self._found.get(of, (0.0, None))
            if time.monotonic() >= until:
                age = self._age
                try:
                    value = self._make(*of)
                except StoreTrouble as trouble:
                    value, age = trouble, min(AFTER_TROUBLE, self._age)
                self._found = {key: found for key, found in self._found.items() if found[0] > time.monotonic()}
                self._found[of] = (time.monotonic() + age, value)
        if isinstance(value, StoreTrouble):
            raise value
        return value

    def forget(self) -> None:
        """Makes the next one anew."""
        with self._lock:
            self._found.clear()


def _where() -> Resources:
    try:
        return resources()
    except SettingsError as fault:
        raise StoreTrouble(f"This Airflow does not know its buckets: {fault}") from fault


def _connect() -> ReportStore:
    bucket = _where().clean_bucket
    try:
        return ReportStore(S3Hook(AWS_CONN_ID, config=_CONFIG).get_conn(), bucket)
    except (AirflowException, BotoCoreError, ClientError) as fault:
        raise StoreTrouble(f"The connection {AWS_CONN_ID} leads to no S3: {type(fault).__name__}: {fault}") from fault


def _read_rows(days: int) -> History:
    with create_session(scoped=False) as session:
        return read_history(session, today() - timedelta(days=days), UTC)


def _read_ledgers(days: int) -> tuple[Ledgers, str]:
    since = (today() - timedelta(days=days)).isoformat()
    try:
        kept = store()
        ready = kept.ready(since, _where().transform_version)
        reports, troubles = _reports(kept, since)
    except StoreTrouble as trouble:
        store.forget()
        return Ledgers(is_known=False), str(trouble)
    return Ledgers(ready, reports), " ".join(troubles)


_summaries: dict[tuple[str, datetime], Summary | None] = {}


def _reports(kept: ReportStore, since: str) -> tuple[dict[str, Reported], list[str]]:
    found: dict[str, Reported] = {}
    troubles: list[str] = []
    stamps = kept.stamps(since)
    for stamp in stamps.items():
        try:
            if stamp not in _summaries:
                _summaries[stamp] = kept.summary(stamp[0])
            if said := _summaries[stamp]:
                found[stamp[0]] = said.as_reported
        except StoreTrouble as trouble:
            troubles.append(str(trouble))
    for stale in [stamp for stamp in list(_summaries) if stamps.get(stamp[0], stamp[1]) != stamp[1]]:
        _summaries.pop(stale, None)
    return found, troubles


def today() -> Date:
    """The day that partitions are named by."""
    return datetime.now(UTC).date()


store = Kept(_connect, CLIENT_AGE)
"""The clean bucket, through the connection of the DAGs; StoreTrouble where it leads nowhere."""
rows = Kept(_read_rows, FRESH)
"""The `History` of so many days."""
ledgers = Kept(_read_ledgers, FRESH)
"""The `Ledgers` of so many days, and a sentence where S3 is in trouble, else an empty one."""
report_dates = Kept(lambda: store().dates(), FRESH)
"""The dates that have a report, newest first."""
