"""The request plan of one extraction: a request for each market that a user names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date

from include.base.keys import extract_id
from include.base.markets import LONGEST_LOCATION, slug
from include.base.receipts import ExtractRequest
from include.base.refusals import PlanRefused
from include.base.searches import SALE, market_of
from include.contract.families import load_source


def plan(
    *,
    source: str,
    locations: Sequence[str],
    page_limit: int,
    partition_key: str | None,
    run_after: datetime,
    run_id: str,
    started_at: datetime,
    tolerance: timedelta,
    most: int,
    date_override: str | None = None,
    listing: str = SALE,
) -> list[ExtractRequest]:
    """One request per market, all for the run's date: the partition key, or the day of `run_after`.

    Raises PlanRefused when a market is unusable or named twice, when there are more than `most`, the tasks that
    Airflow makes of one, when the family is not known to offer the search `listing`, and when the date is further than
    `tolerance` from `started_at` without an override: the APIs serve only today, so that what they answer now is not
    the state of another date.
    """
    adapter = load_source(source)
    if listing not in (offered := adapter.request.listing):
        raise PlanRefused(
            f"listing {listing[:60]!r}: {adapter.name} is not known to offer such a search, but {', '.join(offered)}: "
            "choose one of these, or another family"
        )
    date = _date(partition_key, run_after)
    refuse_far_date(date.isoformat(), started_at, date_override, tolerance)
    names = _clean(locations)
    if len(names) > most:
        raise PlanRefused(
            f"{len(names)} markets are named, and Airflow makes {most} tasks of one at most: name fewer, the others in "
            "a run of their own, or raise core.max_map_length (AIRFLOW__CORE__MAX_MAP_LENGTH) for all of Airflow"
        )
    identity = extract_id(run_after, run_id)
    return [
        ExtractRequest(
            source=adapter.name,
            market=market_of(place, listing),
            location=location,
            date=date.isoformat(),
            extract_id=identity,
            run_id=run_id,
            page_limit=min(page_limit, adapter.request.page_cap),
            date_override=date_override or None,
            listing=listing,
        )
        for place, location in names.items()
    ]


def refuse_far_date(date: str, started_at: datetime, date_override: str | None, tolerance: timedelta) -> None:
    """Raises PlanRefused when `date` is further than `tolerance` from `started_at` and no override gives a reason.

    To be asked whenever requests are about to go out: a task may be cleared days after it was planned.
    """
    begin = datetime.combine(Date.fromisoformat(date), time(), UTC)
    end = begin + timedelta(days=1)
    if date_override or begin - tolerance <= started_at < end + tolerance:
        return
    hours = tolerance / timedelta(hours=1)
    raise PlanRefused(
        f"the API serves only today, and {date} is more than {hours:g} hours from {started_at:%Y-%m-%d %H:%M} "
        "UTC: load past dates again from raw, if they landed whole; else start a new run with a reason in the param "
        '"date_override" (clearing an old one cannot give it), which the manifests will record'
    )


def _clean(locations: Sequence[str]) -> dict[str, str]:
    if not locations:
        raise PlanRefused('no market named: give at least one in the param "markets", like "houston, tx"')
    found: dict[str, str] = {}
    for given in locations:
        location = given.strip()
        is_named = any(letter.isalnum() for letter in location)
        if not is_named or not location.isprintable() or len(location) > LONGEST_LOCATION:
            raise PlanRefused(
                f"market {given[:60]!r}: expected one line of 1 to {LONGEST_LOCATION} printable "
                'characters, like "houston, tx"'
            )
        name = slug(location)
        if name in found:
            raise PlanRefused(f"market {location!r} is named twice (also as {found[name]!r}): take one out")
        found[name] = location
    return found


def _date(partition_key: str | None, run_after: datetime) -> Date:
    if not partition_key:
        return run_after.astimezone(UTC).date()
    try:
        return Date.fromisoformat(partition_key)
    except ValueError:
        raise PlanRefused(f"partition key {partition_key[:60]!r}: expected a date like 2026-11-22") from None
