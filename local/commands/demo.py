"""`make demo`: the whole pipeline over three markets and three dates, and a table in which every count must add up."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from local.airflow.api import BETWEEN_LOOKS, SETTLED, AirflowApi, AirflowRefused, moves
from local.commands import accounts, recorded_market
from local.commands.accounts import Books, Line
from local.commands.clients import NO_ANSWER
from local.commands.listing_api_client import ListingApi
from local.patience import Patience, asked_again
from local.stack import Stack, StackError, leave_out_foreign_settings
from local.stack.exit_sentences import in_a_sentence
from local.stack.status import show_where_to_look

# Two of which the API shows a part, and one small enough to be seen whole: only there is anything new or gone.
MARKETS = ["houston, tx", "austin, tx", "galveston, tx"]
DAYS = 3
# Seconds in which nothing moves, on a machine with nothing else to do.
PATIENCE = 180.0
EXTRACT = "extract_listings"
CHAIN = ("sense_listings", "load_listings", "report_listings")
UNTOLD: tuple[type[Exception], ...] = (*NO_ANSWER, AirflowRefused)
GO_ON = "The stack stays up; `make status` shows the runs, and `make demo` goes on with what is there."
REASON = "demo: the local API's clock was set to this date"


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Plan:
    """What one demo extracts: which markets, of which family, for which dates."""

    markets: Sequence[str]
    source: str
    dates: Sequence[date]
    # Says which recorded pages they are; the simulated market is always the same.
    pages: str = ""

    @property
    def conf(self) -> dict[str, Any]:
        """What a run is told."""
        return {
            "markets": list(self.markets),
            "source": self.source,
            "page_limit": 20,
            "date_override": REASON,
        }

    def run_id(self, day: date) -> str:
        """The run that extracts a day of this plan: the next demo of this plan finds it, and extracts no day twice."""
        told = json.dumps([self.conf, self.pages], sort_keys=True)
        return f"demo__{day}__{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def plan(recordings: Path | None, today: date) -> Plan:
    """Three simulated days up to today; or, of recordings, what they hold, once, for today."""
    if recordings:
        found = recorded_market.look(recordings)
        return Plan(found.locations, found.source, [today], found.fingerprint)
    return Plan(MARKETS, "zillow56", [today - timedelta(days=back) for back in reversed(range(DAYS))])


def run(stack: Stack, wanted: Plan, console: Console) -> tuple[list[Line], Path]:
    """Extracts the plan date by date, waits until every set is loaded and reported; the accounts and the report."""
    airflow, api = stack.airflow(), ListingApi(stack.ports.api)
    runs = [wanted.run_id(day) for day in wanted.dates]
    found = {run_id: _asked(partial(airflow.state, EXTRACT, run_id)) for run_id in runs}
    under_way: list[str] = []
    with _clock_set_back(api, console, under_way):
        for day in wanted.dates:
            _extract(stack, wanted, day, found[wanted.run_id(day)], under_way, console)
    if any(found.values()):
        _clear_what_failed(airflow, runs[0], console)
    books = Books(stack)
    expected = len(wanted.markets) * len(wanted.dates)
    _wait_until(
        stack, lambda: books.loaded(runs), expected, "copied, cleaned, sensed, loaded", "in the warehouse", console
    )
    console.print(f"{expected} sets went through Lambda and are in the warehouse", style="dim")
    _wait_until(stack, lambda: books.reported(runs), expected, "marts, checks, report", "in the market report", console)
    return _asked(lambda: books.lines(runs)), _asked(lambda: _save_report(stack, books))


def _asked(question: Callable[[], Answer]) -> Answer:
    """What a part of the stack answers; asked again while it does not."""
    return asked_again(question, 60, NO_ANSWER)


def _require_up(stack: Stack) -> None:
    """Raises StackError when there is nobody to wait for any more."""
    if not stack.is_up():
        raise StackError("the stack is not up any more: `make demo` starts it, and goes on with what is there")


def _save_report(stack: Stack, books: Books) -> Path:
    """Saves the newest report where a browser can open it."""
    path = stack.home.path / "reports" / "latest.html"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(books.latest_report())
    return path


@contextmanager
def _clock_set_back(api: ListingApi, console: Console, under_way: Sequence[str]) -> Iterator[None]:
    """Sets the API's clock to the real time in the end, however it comes: it would stay in the past for every run.

    Not while an extraction is under way, whose pages would be of two days then: the next demo waits for it.
    """
    try:
        yield
    finally:
        try:
            if under_way:
                console.print(
                    f"{EXTRACT} {under_way[0]} is still under way, and the listing API's clock stays at its date: "
                    "`make demo` goes on with it, and sets the clock back in the end",
                    style="yellow",
                    markup=False,
                    soft_wrap=True,
                )
            else:
                asked_again(lambda: api.set_clock(None), 5)
        except OSError as error:
            # Said, not raised: it would hide why the demo failed.
            console.print(
                f"the listing API's clock could not be set back ({error}): once it answers, run `make demo` again",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )


def _extract(stack: Stack, wanted: Plan, day: date, found: str | None, under_way: list[str], console: Console) -> None:
    """Extracts a day, or goes on with it: `found` is the state of its run before; `under_way` has it while it runs."""
    airflow, api, run_id = stack.airflow(), ListingApi(stack.ports.api), wanted.run_id(day)

    def look_beside() -> int:
        _require_up(stack)
        return api.asked()

    if found == "success":
        console.print(f"{day}: {len(wanted.markets)} markets have landed before", style="dim")
        return
    if len(wanted.dates) > 1:
        _asked(lambda: api.set_clock(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)))
    _asked(lambda: airflow.pause(EXTRACT, False))
    if found is None:
        _asked(lambda: airflow.trigger(EXTRACT, partition_key=day.isoformat(), conf=wanted.conf, run_id=run_id))
    elif found == "failed":
        console.print(f"{day}: clearing what failed of its extraction", style="dim")
        _asked(lambda: airflow.clear(EXTRACT, run_id))
    under_way.append(run_id)
    started = time.monotonic()
    with console.status(f"{day}: asking the API for {', '.join(wanted.markets)}"):
        try:
            state = airflow.wait_for_run(EXTRACT, run_id, PATIENCE, beside=look_beside)
        except TimeoutError as error:
            raise StackError(f"{error}. {GO_ON}") from error
    under_way.remove(run_id)
    if state != "success":
        raise StackError(
            f"{EXTRACT} {run_id} ended {state}: its red task says why, {airflow.url}/dags/{EXTRACT}. "
            "Mend that, then `make demo` clears it and goes on"
        )
    console.print(f"{day}: {len(wanted.markets)} markets landed in {time.monotonic() - started:.0f} s", style="dim")


def _clear_what_failed(airflow: AirflowApi, first: str, console: Console) -> None:
    """Clears the runs that failed since this extraction began: an earlier demo, or what came in its way, left them."""
    began = _asked(lambda: airflow.get(f"/dags/{EXTRACT}/dagRuns/{first}"))["run_after"]
    for run in _asked(airflow.newest_runs):
        if run["dag_id"] in CHAIN and run["state"] == "failed" and run["run_after"] >= began:
            console.print(f"clearing what failed of {run['dag_id']} {run['dag_run_id']}", style="dim", markup=False)
            _asked(partial(airflow.clear, run["dag_id"], run["dag_run_id"]))


def _wait_until(
    stack: Stack, count: Callable[[], int], expected: int, steps: str, where: str, console: Console
) -> None:
    """Waits until `count` has reached the sets that are expected; StackError when nothing moves any more."""
    airflow, waiting = stack.airflow(), Patience(PATIENCE)
    there, poll, silent = 0, 0, ""
    moved: object = None
    with console.status("") as status:
        while True:
            try:
                if (there := count()) >= expected:
                    return
                if poll % BETWEEN_LOOKS == 0:
                    _require_up(stack)
                    moved = _moved(airflow)
                silent = ""
            except NO_ANSWER as error:
                silent = f" At last nobody answered: {str(error).strip()}."
            except AirflowRefused as refused:
                silent = f" At last Airflow answered: {refused}."
            status.update(f"{steps}: {there} of {expected} sets are {where}")
            if waiting.is_over((there, moved)):
                raise StackError(
                    f"{there} of {expected} sets are {where}, and nothing moved for {waiting.waited:.0f} s.{silent} "
                    f"{_left(airflow)} {GO_ON}"
                )
            poll += 1
            time.sleep(0.5)


def _moved(airflow: AirflowApi) -> object:
    """How all runs stand, and the tasks of those that are under way."""
    runs = airflow.newest_runs()
    tasks = [airflow.tasks(run["dag_id"], run["dag_run_id"]) for run in runs if run["state"] not in SETTLED]
    return sorted((run["dag_run_id"], run["state"]) for run in runs), moves(list(chain.from_iterable(tasks)))


def _left(airflow: AirflowApi) -> str:
    """Which runs are under way, and which failed, where Airflow says it."""
    try:
        runs = airflow.newest_runs()
    except UNTOLD:
        return "Which runs are under way could not be asked."
    told = {
        words: [f"{run['dag_id']} {run['dag_run_id']}" for run in runs if run["state"] in states]
        for words, states in (("Under way", ("queued", "running")), ("Failed", ("failed",)))
    }
    return " ".join(f"{words}: {', '.join(names)}." for words, names in told.items() if names) or "No run is under way."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 when every count adds up, 1 when they differ, 2 when it could not be run, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--recordings", type=Path, help="a folder of recorded pages, served instead of the market")
    recordings = parser.parse_args(arguments).recordings
    leave_out_foreign_settings()
    console = Console(highlight=False)
    console.width = max(console.width, 118) if console.is_terminal else accounts.ONE_LINE
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
