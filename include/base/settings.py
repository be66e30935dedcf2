"""The environment, read once into frozen types. Nothing else in dags/ or include/ reads it.

`tuning()` holds what has a sensible default and may be read while a DAG file is parsed.
`resources()` holds what only a deployment knows (buckets, queues): tasks ask for it when they run,
so that a DAG file still parses on a machine where nothing is deployed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from include.base.refusals import Refused


class SettingsError(Refused):
    """A setting is missing or cannot be read; the message names it and says what was expected."""


@dataclass(frozen=True)
class Tuning:
    """What may be turned, each by the environment variable LISTINGS_<NAME>.

    Times are seconds, shares are fractions of one. Lists are separated by commas or spaces: addresses, and the
    heads of partitions (source/market).
    """

    start_date: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    retries: int = 0
    requests_per_second: float = 4.0
    api_slots: int = 2
    request_timeout: float = 30.0
    # A third of the patience: an answer that drips to its end is asked for again, twice, before the market fails.
    response_timeout: float = 40.0
    page_bytes_limit: int = 25_000_000
    quota_budget: int = 0
    quota_reserve: int = 0
    api_patience: float = 120.0
    date_tolerance_hours: float = 36.0
    sense_poke_interval: float = 10.0
    sense_timeout: float = 900.0
    replay_timeout: float = 7200.0
    reject_share_limit: float = 0.05
    suspect_retries: int = 2
    reconcile_after: float = 600.0
    reconcile_patience: float = 21600.0
    reconcile_days: int = 7
    alert_to: tuple[str, ...] = ()
    alert_from: str = ""
    expected_markets: tuple[str, ...] = ()
    freshness_hours: float = 12.0
    half_extracted_after: float = 3600.0

    @property
    def date_tolerance(self) -> timedelta:
        """How far the extracted date may be from the moment of the extraction."""
        return timedelta(hours=self.date_tolerance_hours)

    @property
    def seconds_between_requests(self) -> float:
        """Pause of one task between two requests, so that all tasks of the pool together keep the rate."""
        return self.api_slots / self.requests_per_second

    def seconds_before_first_request(self, map_index: int | None) -> float:
        """Pause of the mapped task `map_index` (from 0; -1 or None: not mapped) before its first request.

        So tasks that start together take turns. One that takes over a slot later pauses too, for less than a second.
        """
        return max(0, map_index or 0) % self.api_slots / self.requests_per_second


@dataclass(frozen=True)
class Resources:
    """What the deployed stack is made of: bucket names, queue URLs and the version of the transform."""

    landing_bucket: str
    raw_bucket: str
    clean_bucket: str
    copy_queue_url: str
    transform_queue_url: str
    copy_dead_letter_url: str
    transform_dead_letter_url: str
    transform_version: str


def read_tuning(environment: Mapping[str, str]) -> Tuning:
    """Tuning from `environment`; raises SettingsError for a value that does not parse."""
    found: dict[str, Any] = {}
    for field in fields(Tuning):
        name = f"LISTINGS_{field.name.upper()}"
        if name in environment:
            found[field.name] = _parse(name, environment[name], type(field.default))
    return Tuning(**found)


def read_resources(environment: Mapping[str, str]) -> Resources:
    """Resources from `environment`; raises SettingsError that lists every missing variable."""
    names = {field.name: f"LISTINGS_{field.name.upper()}" for field in fields(Resources)}
    missing = [name for name in names.values() if not environment.get(name)]
    if missing:
        raise SettingsError(
            f"not set: {', '.join(missing)}. They are outputs of the deployed stack: "
            "`make up` writes them for the local one, into airflow.env."
        )
    return Resources(**{field: environment[name] for field, name in names.items()})


@cache
def tuning() -> Tuning:
    """The tuning of this process."""
    return read_tuning(os.environ)


@cache
def resources() -> Resources:
    """The resources of this process."""
    return read_resources(os.environ)


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        if kind is datetime:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        value: Any = tuple(filter(None, re.split(r"[\s,]+", text))) if kind is tuple else kind(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r}: expected a value like {_EXAMPLES[kind]}") from None
    if kind in (int, float) and not 0 <= value < math.inf:
        raise SettingsError(f"{name}={text!r}: expected zero or more")
    if not value and name in _MORE_THAN_ZERO:
        raise SettingsError(f"{name}={text!r}: expected more than zero")
    if name in _FORMS:
        _check_form(name, value if isinstance(value, tuple) else (value,) if value else ())
    return value


def _check_form(name: str, values: Iterable[str]) -> None:
    pattern, expected = _FORMS[name]
    for value in values:
        if not pattern.fullmatch(value):
            raise SettingsError(f"{name}: {value!r}: expected {expected}")


# Divided by, or time in which nothing could ever come.
_MORE_THAN_ZERO = (
    "LISTINGS_REQUESTS_PER_SECOND",
    "LISTINGS_API_SLOTS",
    "LISTINGS_REQUEST_TIMEOUT",
    "LISTINGS_RESPONSE_TIMEOUT",
    "LISTINGS_PAGE_BYTES_LIMIT",
)
_ADDRESS = (re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+"), "an address like data@example.com")
_FORMS = {
    "LISTINGS_ALERT_TO": _ADDRESS,
    "LISTINGS_ALERT_FROM": _ADDRESS,
    "LISTINGS_EXPECTED_MARKETS": (
        re.compile(r"[a-z0-9-]+/[a-z0-9-]+"),
        "what partition keys begin with, source/market, like zillow56/houston-tx",
    ),
}
_EXAMPLES = {int: "2", float: "0.5", datetime: "2026-01-31T06:00:00Z", str: "text"}
