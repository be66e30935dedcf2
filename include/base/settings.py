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
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from include.base.refusals import Refused


class SettingsError(Refused):
    """A setting is missing or cannot be read; the message names it and says what was expected."""


_Form = tuple[re.Pattern[str], str]
_ADDRESS: _Form = (re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+"), "an address like data@example.com")
_MARKET: _Form = (
    re.compile(r"[a-z0-9-]+/[a-z0-9-]+"),
    "what partition keys begin with, source/market, like zillow56/houston-tx",
)


def _says(unit: str, meaning: str, *, more_than_zero: bool = False, form: _Form | None = None) -> dict[str, Any]:
    """What a setting is beside its default, from which docs/settings.md is made; `form` is that of each of a list."""
    return {"unit": unit, "meaning": meaning, "more_than_zero": more_than_zero, "form": form}


@dataclass(frozen=True)
class Tuning:
    """What may be turned, each by the environment variable LISTINGS_<NAME>; `docs/settings.md` has them as a table.

    Times are seconds, shares are fractions of one. Lists are separated by commas or spaces.
    """

    start_date: datetime = field(
        default=datetime(2026, 1, 1, tzinfo=UTC), metadata=_says("date", "when schedules begin")
    )
    retries: int = field(
        default=0,
        metadata=_says(
            "", "Airflow's retries of a failed task, where waiting may cure it; those that only look have three anyway"
        ),
    )
    requests_per_second: float = field(
        default=4.0, metadata=_says("per second", "requests over all markets that share a key", more_than_zero=True)
    )
    api_slots: int = field(default=2, metadata=_says("", "markets extracted at the same time", more_than_zero=True))
    request_timeout: float = field(
        default=30.0, metadata=_says("seconds", "without a byte before a request is given up", more_than_zero=True)
    )
    # A third of the patience: an answer that drips to its end is asked for again, twice, before the market fails.
    response_timeout: float = field(
        default=40.0,
        metadata=_says("seconds", "that one answer may take in all, headers and body", more_than_zero=True),
    )
    page_bytes_limit: int = field(
        default=25_000_000, metadata=_says("bytes", "that a page may have, after unpacking", more_than_zero=True)
    )
    quota_budget: int = field(
        default=0, metadata=_says("requests", "of a calendar month (UTC) and family; 0: no budget of our own")
    )
    quota_reserve: int = field(
        default=0, metadata=_says("requests", "that are kept back, of the budget and of what the API says remains")
    )
    api_patience: float = field(
        default=120.0, metadata=_says("seconds", "that a call may spend on faults that pass before its market fails")
    )
    date_tolerance_hours: float = field(
        default=36.0, metadata=_says("hours", "how far the date of an extraction may be from now")
    )
    sense_poke_interval: float = field(default=10.0, metadata=_says("seconds", "between two looks for a clean set"))
    sense_timeout: float = field(default=900.0, metadata=_says("seconds", "until a set that is not clean is an error"))
    replay_timeout: float = field(
        default=7200.0, metadata=_says("seconds", "that a replay gives the transform for a date")
    )
    reject_share_limit: float = field(
        default=0.05, metadata=_says("share", "of rejects above which a set is held back")
    )
    suspect_retries: int = field(
        default=2,
        metadata=_says(
            "hours", "of the clock in which a set that failed alone may fail so again before it waits for a person"
        ),
    )
    reconcile_after: float = field(default=600.0, metadata=_says("seconds", "of age before a set counts as stopped"))
    reconcile_patience: float = field(
        default=21600.0, metadata=_says("seconds", "that a stopped set is sent again for, then it is named")
    )
    reconcile_days: int = field(default=7, metadata=_says("dates", "that reconciliation looks back on"))
    alert_to: tuple[str, ...] = field(
        default=(), metadata=_says("addresses", "that get mail; none: nobody does", form=_ADDRESS)
    )
    alert_from: str = field(
        default="", metadata=_says("address", "of the sender; none: the first that gets mail", form=_ADDRESS)
    )
    expected_markets: tuple[str, ...] = field(
        default=(),
        metadata=_says(
            "markets", "that must come each day, as partition keys begin: `zillow56/houston-tx`", form=_MARKET
        ),
    )
    freshness_hours: float = field(
        default=12.0,
        metadata=_says("hours", "after a date begins (UTC) its partitions of the expected markets are due"),
    )
    half_extracted_after: float = field(
        default=3600.0,
        metadata=_says("seconds", "after its newest page an extraction without a manifest counts as stopped half-way"),
    )

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
    for each in fields(Tuning):
        name = f"LISTINGS_{each.name.upper()}"
        if name in environment:
            found[each.name] = _parse(name, environment[name], each)
    return Tuning(**found)


def read_resources(environment: Mapping[str, str]) -> Resources:
    """Resources from `environment`; raises SettingsError that lists every missing variable."""
    names = {each.name: f"LISTINGS_{each.name.upper()}" for each in fields(Resources)}
    missing = [name for name in names.values() if not environment.get(name)]
    if missing:
        raise SettingsError(
            f"not set: {', '.join(missing)}. They are outputs of the deployed stack: "
            "`make up` writes them for the local one, into airflow.env."
        )
    return Resources(**{each: environment[name] for each, name in names.items()})


@cache
def tuning() -> Tuning:
    """The tuning of this process."""
    return read_tuning(os.environ)


@cache
def resources() -> Resources:
    """The resources of this process."""
    return read_resources(os.environ)


def _parse(name: str, text: str, setting: Field[Any]) -> Any:
    kind: type[Any] = type(setting.default)
    try:
        if kind is datetime:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        value: Any = tuple(filter(None, re.split(r"[\s,]+", text))) if kind is tuple else kind(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r}: expected a value like {_EXAMPLES[kind]}") from None
    if kind in (int, float) and not 0 <= value < math.inf:
        raise SettingsError(f"{name}={text!r}: expected zero or more")
    if not value and setting.metadata["more_than_zero"]:
        raise SettingsError(f"{name}={text!r}: expected more than zero")
    if form := setting.metadata["form"]:
        _check_form(name, form, value if isinstance(value, tuple) else (value,) if value else ())
    return value


def _check_form(name: str, form: _Form, values: Iterable[str]) -> None:
    pattern, expected = form
    for value in values:
        if not pattern.fullmatch(value):
            raise SettingsError(f"{name}: {value!r}: expected {expected}")


_EXAMPLES = {int: "2", float: "0.5", datetime: "2026-01-31T06:00:00Z", str: "text"}
