"""`make replay`, `make backfill` and `make redrive`: start the DAG, wait until all is loaded, and show what came."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlparse

import psycopg
from rich import box
from rich.console import Console
from rich.table import Table

from local.airflow.api import AirflowApi
from local.commands.clients import NO_ANSWER, aws_client, loader_connection
from local.patience import Patience, asked_again
from local.stack import Stack, StackError, leave_out_foreign_settings
from local.stack.exit_sentences import GIVEN_WRONGLY, in_a_sentence

DAG = "replay_listings"
GROUP = "replay_date"
REDRIVE = "redrive_listings"
# Seconds without progress. A date's `wait` moves nothing while the transform works; a replay that stopped says so
# long before.
PATIENCE = 4 * 3600.0
LOAD_PATIENCE = 600.0
# By this turn or by a later one: of a set's turns only the last is loaded.
_LOADS = """
select set_id,
    max(case when status = 'loaded' then 1 else 0 end) as loaded,
    max(case when status = 'loaded' then '' else error end) as error
from core.load_audit
where snapshot_date = %s and replay >= %s
group by set_id
"""


@dataclass(frozen=True)
class Line:
    """What became of one date: sets asked for, let through and loaded."""

    date: str
    asked: int
    let_through: int
    loaded: int


@dataclass(frozen=True)
class Through:
    """What a replay let through of one date."""

    replay: str
    date: str
    sets: frozenset[str]

    @classmethod
    def read(cls, stack: Stack, url: str) -> Through:
        """As the replay wrote it down."""
        where = urlparse(url)
        found = aws_client(stack, "s3").get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))
        outcome = json.loads(found["Body"].read())
        return cls(outcome["replay"], outcome["date"], frozenset(outcome["let_through"]))


def replay(stack: Stack, conf: dict[str, Any], console: Console) -> int:
    """Runs the replay and waits for its loads; 0 when every set asked for is loaded, else 1 after the DAG's words."""
    airflow = stack.airflow()
    run_id = airflow.trigger(DAG, conf=conf)
    with console.status(f"{DAG}: {conf['from_date']} to {conf['to_date']}"):
        state = airflow.wait_for_run(DAG, run_id, PATIENCE)
        unfinished = complaints(airflow, DAG, run_id)
        dates = airflow.returned(DAG, run_id, "plan_dates") or []
        asked, passed = (
            [int(airflow.returned(DAG, run_id, f"{GROUP}.{task}", at) or 0) for at in range(len(dates))]
            for task in ("ask", "let_through")
        )
        urls = [airflow.returned(DAG, run_id, f"{GROUP}.let_through", at, "outcome") for at in range(len(dates))]
        loaded, errors = wait_until_loaded(stack, [Through.read(stack, url) for url in urls if url])
    lines = [Line(day, asked[at], passed[at], loaded.get(day, 0)) for at, day in enumerate(dates)]
    show(lines, console)
    for words in unfinished + errors:
        console.print(words, style="red", markup=False, soft_wrap=True)
    if not lines and state == "success":
        console.print(
            "Nothing is missing: the warehouse holds every set of these dates that lies in raw. "
            "A mart that was dropped is filled by report_listings, which reconcile_listings wakes within the hour.",
            soft_wrap=True,
        )
    return 0 if state == "success" and all(line.asked == line.loaded for line in lines) else 1


def redrive(stack: Stack, console: Console) -> int:
    """Moves the dead letters back and says how many; 1 when a move failed."""
    airflow = stack.airflow()
    run_id = airflow.trigger(REDRIVE)
    state = airflow.wait_for_run(REDRIVE, run_id, PATIENCE)
    for at, function in enumerate(("copy_raw", "transform_listings")):
        if moved := airflow.returned(REDRIVE, run_id, "move_back", at):
            console.print(f"{function}: {moved['messages']} message(s) back on its queue")
    for words in complaints(airflow, REDRIVE, run_id):
        console.print(words, style="red", markup=False, soft_wrap=True)
    return 0 if state == "success" else 1


def show(lines: Sequence[Line], console: Console) -> None:
    """Prints the lines as a table."""
    if not lines:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("date", "sets asked", "let through", "loaded"):
        table.add_column(name, justify="left" if name == "date" else "right")
    for line in lines:
        table.add_row(line.date, str(line.asked), str(line.let_through), str(line.loaded))
    console.print(table)


def running_stack() -> Stack:
    """The stack of this home; StackError where it is not up."""
    stack = Stack(say=lambda line: None)
    if not stack.is_up():
        raise StackError("no stack is up; start one with `make up`")
    return stack


def complaints(airflow: AirflowApi, dag_id: str, run_id: str) -> list[str]:
    """What the failed tasks of a run say, each thing once."""
    failed = [task for task in airflow.tasks(dag_id, run_id) if task["state"] == "failed"]
    return list(dict.fromkeys(f"{task['task_id']}: {airflow.reason(dag_id, run_id, task)}" for task in failed))


def wait_until_loaded(
    stack: Stack, dates: Sequence[Through], patience: float = LOAD_PATIENCE
) -> tuple[dict[str, int], list[str]]:
    """How many sets of each date came in, by the replay or by a turn after it, and why others failed.

    StackError when none did either for `patience` seconds, and some are left.
    """
    waiting, through = Patience(patience), sum(len(each.sets) for each in dates)
    while (there := sum(map(len, found := asked_again(lambda: _loads(stack, dates), patience, NO_ANSWER)))) < through:
        if waiting.is_over(there):
            raise StackError(
                f"{there} of the {through} sets let through were loaded or failed, and no other for "
                f"{waiting.waited:.0f} s: look at load_listings, {stack.ui_url}/dags/load_listings"
            )
        time.sleep(1)
    loaded = {each.date: sum(is_loaded for _, is_loaded, _ in of) for each, of in zip(dates, found, strict=True)}
    errors = [f"{set_id}: {error}" for of in found for set_id, is_loaded, error in of if not is_loaded]
    return loaded, errors


def _loads(stack: Stack, dates: Sequence[Through]) -> list[list[tuple[str, int, str]]]:
    """Of each date the sets that were loaded or failed, whether they were loaded, and why they failed."""
    try:
        with closing(loader_connection(stack)) as connection:
            rows = [connection.execute(_LOADS, (each.date, each.replay)).fetchall() for each in dates]
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
        return [[] for _ in dates]  # the first load makes them
    return [[row for row in of if row[0] in each.sets] for each, of in zip(dates, rows, strict=True)]


def _refuse_no_dates(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """Ends with 2, in the words of `make`, where FROM or TO is no date."""
    for name, text in (("FROM", asked.first), ("TO", asked.last)):
        try:
            date.fromisoformat(text)
        except ValueError:
            example = f"make {asked.command} FROM=2026-11-01 TO=2026-11-22"
            parser.exit(GIVEN_WRONGLY, f"{name}={text}: expected a date, like {example}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all came, 1 when something did not, 2 when it was asked wrongly, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m local.commands.replay", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("replay", "backfill"):
        command = commands.add_parser(name)
        command.add_argument("--from", dest="first", required=True, help="the first date")
        command.add_argument("--to", dest="last", required=True, help="the last date")
        command.add_argument("--markets", nargs="*", default=[], help="as in the keys: houston-tx austin-tx; none: all")
        command.add_argument("--source", default="", help="the API family; none: all")
    commands.add_parser("redrive")
    asked = parser.parse_args(arguments)
    if asked.command != "redrive":
        _refuse_no_dates(parser, asked)
    leave_out_foreign_settings()
    console = Console(highlight=False)

    def work() -> int:
        stack = running_stack()
        if asked.command == "redrive":
            return redrive(stack, console)
        conf = {
            "from_date": asked.first,
            "to_date": asked.last,
            "markets": asked.markets,
            "source": asked.source or None,
            "only_missing": asked.command == "backfill",
        }
        return replay(stack, conf, console)

    return in_a_sentence(work, lambda sentence: console.print(sentence, style="red", soft_wrap=True, markup=False))


if __name__ == "__main__":
    sys.exit(main())
