"""`make demo`: the whole pipeline over three markets and three dates, and a table in which every count must add up."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from local import accounts, recorded_market
from local.accounts import Books, Line
from local.airflow_api import AirflowApi
from local.listing_api_client import ListingApi
from local.stack import Stack, StackError, leave_out_foreign_settings
from local.stack.endings import in_a_sentence
from local.stack.status import show_where_to_look

# Two of which the API shows a part, and one small enough to be seen whole: only there is anything new or gone.
MARKETS = ["houston, tx", "austin, tx", "galveston, tx"]
DAYS = 3
PATIENCE = 180.0
REASON = "demo: the local API's clock was set to this date"


@dataclass(frozen=True)
class Plan:
    """What one demo extracts: which markets, of which family, for which dates."""

    markets: Sequence[str]
    source: str
    dates: Sequence[date]


def plan(recordings: Path | None, today: date) -> Plan:
    """Three simulated days up to today; or, of recordings, what they hold, once, for today."""
    if recordings:
        found = recorded_market.look(recordings)
        return Plan(found.locations, found.source, [today])
    return Plan(MARKETS, "zillow56", [today - timedelta(days=back) for back in reversed(range(DAYS))])


def run(stack: Stack, wanted: Plan, console: Console) -> tuple[list[Line], Path]:
    """Extracts the plan date by date, waits until every set is loaded and reported; the accounts and the report."""
    airflow, api = stack.airflow(), ListingApi(stack.ports.api)
    airflow.pause("extract_listings", False)
    runs = []
    with _clock_set_back(api, console):
        for day in wanted.dates:
            if len(wanted.dates) > 1:
                api.set_clock(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
            runs.append(_extract(airflow, wanted, day, console))
    books = Books(stack)
    expected = len(wanted.markets) * len(wanted.dates)
    _wait_until(lambda: books.loaded(runs), expected, "copied, cleaned, sensed, loaded", "in the warehouse", console)
    console.print(f"{expected} sets went through Lambda and are in the warehouse", style="dim")
    _wait_until(lambda: books.reported(runs), expected, "marts, checks, report", "in the market report", console)
    return books.lines(runs), _save_report(stack, books)


def _save_report(stack: Stack, books: Books) -> Path:
    """Saves the newest report where a browser can open it."""
    path = stack.home.path / "reports" / "latest.html"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(books.latest_report())
    return path


@contextmanager
def _clock_set_back(api: ListingApi, console: Console) -> Iterator[None]:
    """Sets the API's clock to the real time in the end, however it comes: it would stay in the past for every run."""
    try:
        yield
    finally:
        try:
            api.set_clock(None)
        except OSError as error:
            # Said, not raised: it would hide why the demo failed.
            console.print(
                f"the listing API's clock could not be set back ({error}): once it answers, run `make demo` again",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )


def _extract(airflow: AirflowApi, wanted: Plan, day: date, console: Console) -> str:
    run_id = airflow.trigger(
        "extract_listings",
        partition_key=day.isoformat(),
        conf={
            "markets": list(wanted.markets),
            "source": wanted.source,
            "page_limit": 20,
            "date_override": REASON,
        },
    )
    with console.status(f"{day}: asking the API for {', '.join(wanted.markets)}"):
        started = time.monotonic()
        state = airflow.wait_for_run("extract_listings", run_id, PATIENCE)
    if state != "success":
        raise StackError(
            f"extract_listings {run_id} ended {state}: its red task says why, {airflow.url}/dags/extract_listings"
        )
    console.print(f"{day}: {len(wanted.markets)} markets landed in {time.monotonic() - started:.0f} s", style="dim")
    return run_id


def _wait_until(count: Callable[[], int], expected: int, steps: str, where: str, console: Console) -> None:
    """Waits until `count` has reached the sets that are expected."""
    until = time.monotonic() + PATIENCE
    with console.status("") as status:
        while (there := count()) < expected:
            status.update(f"{steps}: {there} of {expected} sets are {where}")
            if time.monotonic() > until:
                raise StackError(
                    f"only {there} of {expected} sets are {where} after {PATIENCE:.0f} s. "
                    "`make status` shows the runs that are late or failed"
                )
            time.sleep(0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 when every count adds up, 1 when they differ, 2 when it could not be run, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--recordings", type=Path, help="a folder of recorded pages, served instead of the market")
    recordings = parser.parse_args(arguments).recordings
    leave_out_foreign_settings()
    console = Console(highlight=False)
    console.width = max(console.width, 118)
    return in_a_sentence(
        lambda: _demonstrate(recordings, console),
        lambda sentence: console.print(sentence, style="red", soft_wrap=True, markup=False),
        failed=2,
    )


def _demonstrate(recordings: Path | None, console: Console) -> int:
    """Brings the stack up, runs the plan, shows the accounts; 0 when every count adds up, else 1."""
    started = time.monotonic()
    wanted = plan(recordings, datetime.now(UTC).date())
    stack = Stack(recordings=recordings, say=lambda line: console.print(line, style="dim"))
    stack.up()
    lines, report = run(stack, wanted, console)
    accounts.show(lines, console)
    differences = [difference for line in lines for difference in line.differences()]
    for difference in differences:
        console.print(difference, style="red", soft_wrap=True)
    if not differences:
        console.print(f"Every listing is accounted for, in {time.monotonic() - started:.0f} s.", style="green")
    console.print()
    console.print(f"The market report: {report}", style="bold", soft_wrap=True)
    console.print(f"The Listings page: {stack.ui_url}/plugin/listings", style="bold", soft_wrap=True)
    console.print()
    show_where_to_look(stack, console)
    console.print("The stack stays up: make status, make down")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
