"""What the chain costs from trigger to report, for 1, 3 and 25 markets: `python -m bench.chain [--beside FOLDER]`.

Each round starts a stack in a new home on free ports, lets it come to rest, and sends one size after the other through
it; then it is taken down. With `--beside` another checkout's stack takes its turn in each round, by that checkout's own
`python -m local.stack`; what is asked of either goes through Airflow's REST API, S3 and the warehouse's port. The API
stands beside the stacks and has no rate limit. Medians of the rounds:

    wall       seconds from the trigger of extract_listings until the published report tells of every market
    stack      processor seconds of the stack's processes and their children until its runs have ended
    machine    of all that ran on this machine meanwhile; on a quiet one hardly more

A stack takes a while to come to rest and uses some of the processor then, too: that is in the figures, and printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import psutil
import psycopg

from bench.memory_group import processor_seconds
from infra.aws.connections import CONNECTIONS_PREFIX
from local.airflow.api import AirflowApi
from local.commands.clients import ROOT as ACCOUNT
from local.stack.airflow_environment import UI_USER
from local.stack.deployment import ACCOUNT_REGION
from local.stack.home import ROOT, Home
from local.stack.ports import LOOPBACK, Ports, free_ports

# Each size has markets of its own. Pages at 41 listings, of which the API shows 20 at most: 20, 45 and about 170.
SIZES: Mapping[int, str] = {
    1: "houston",
    3: "austin dallas galveston",
    25: "abilene amarillo bryan conroe denton edinburg fort-worth frisco garland irving killeen laredo longview lubbock"
    " mcallen mesquite mission odessa pasadena pharr plano san-antonio tyler victoria waco",
}
SETTINGS = {"LISTINGS_REQUESTS_PER_SECOND": "1000", "LISTINGS_API_SLOTS": "8"}
DAGS = ("extract_listings", "sense_listings", "load_listings", "report_listings")
SOURCE, CONNECTION = "zillow56", f"{CONNECTIONS_PREFIX}zillow_api"
REST, IDLE, PATIENCE = 10.0, 10.0, 900.0


@dataclass(frozen=True)
class Cost:
    """Of one size in one stack: seconds, processor seconds of the stack and of the machine, pages and listings."""

    wall: float
    stack: float
    machine: float
    pages: int
    listings: int


class RunningStack:
    """The stack of a checkout that is up, seen from outside."""

    def __init__(self, folder: Path, home: Path, ports: Ports, rateless_api: int) -> None:
        secrets = Home(home).secrets()
        self._command = [str(folder / ".venv" / "local" / "bin" / "python"), "-m", "local.stack"]
        self._folder, self._home, self._ports, self._api_port = folder, home, ports, rateless_api
        self._airflow = AirflowApi(f"http://{LOOPBACK}:{ports.ui}", UI_USER, secrets["ui_password"])
        self._loader = secrets["loader"]
        self._date = datetime.now(UTC).date().isoformat()

    @contextmanager
    def up(self) -> Iterator[None]:
        """Starts it and takes it down in the end."""
        try:
            self._run("up")
            self._ask_the_rateless_api()
            yield
        finally:
            self._run("down")

    def _run(self, what: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LISTINGS_", "AIRFLOW_"))}
        own = {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in self._ports.items()}
        done = subprocess.run(
            [*self._command, what],
            cwd=self._folder,
            env={**kept, **SETTINGS, **own, "LISTINGS_HOME": str(self._home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{self._folder}: the stack does not go {what}; it says:\n{done.stdout}")

    def _ask_the_rateless_api(self) -> None:
        secrets = self._client("secretsmanager")
        connection = json.loads(secrets.get_secret_value(SecretId=CONNECTION)["SecretString"])
        connection["port"] = self._api_port
        secrets.put_secret_value(SecretId=CONNECTION, SecretString=json.dumps(connection))

    def idle(self) -> float:
        """Lets it come to rest; the processor seconds a second that it uses then."""
        time.sleep(REST)
        before = self._processor()
        time.sleep(IDLE)
        return (self._processor() - before) / IDLE

    def send(self, cities: list[str]) -> Cost:
        """Sends today's markets of these cities through the chain."""
        markets = [f"{city}-tx" for city in cities]
        conf = {"markets": [f"{city.replace('-', ' ')}, tx" for city in cities], "source": SOURCE, "page_limit": 20}
        self._airflow.pause("extract_listings", False)
        stack, machine, started = self._processor(), _machine(), time.monotonic()
        run_id = self._airflow.trigger("extract_listings", partition_key=self._date, conf=conf)
        self._wait(lambda: self._is_reported(markets), f"the report of {len(markets)} markets (run {run_id})")
        wall = time.monotonic() - started
        self._wait(self._is_at_rest, "the end of all runs")
        pages, listings = self._loaded(markets)
        return Cost(wall, self._processor() - stack, _machine() - machine, pages, listings)

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self._folder}: waited {PATIENCE:.0f} s for {what}; see {self._airflow.url}")
            time.sleep(0.25)

    def _is_reported(self, markets: list[str]) -> bool:
        s3 = self._client("s3")
        [bucket] = [each["Name"] for each in s3.list_buckets()["Buckets"] if "-clean" in each["Name"]]
        try:
            record = s3.get_object(Bucket=bucket, Key=f"reports/date={self._date}/report.json")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return False
        return {f"{SOURCE}/{market}|{self._date}" for market in markets} <= set(json.loads(record)["reported"])

    def _is_at_rest(self) -> bool:
        runs = [run for dag in DAGS for run in self._airflow.runs(dag)]
        failed = [f"{run['dag_id']} {run['dag_run_id']}" for run in runs if run["state"] == "failed"]
        if failed:
            raise SystemExit(f"{self._folder}: failed: {', '.join(failed)}")
        return all(run["state"] == "success" for run in runs)

    def _loaded(self, markets: list[str]) -> tuple[int, int]:
        """Pages read and listings accepted of these markets, by the warehouse's audit."""
        with closing(
            psycopg.connect(
                host=LOOPBACK, port=self._ports.redshift, dbname="listings", user="loader", password=self._loader,
                sslmode="disable", autocommit=True,
            )
        ) as connection:  # fmt: skip
            sql = "select sum(pages_read), sum(accepted), count(*) from core.load_audit where market = any(%s)"
            pages, listings, sets = connection.execute(sql, [markets]).fetchall()[0]
        assert sets == len(markets), f"{sets} sets loaded, expected {len(markets)}"
        return int(pages), int(listings)

    def _processor(self) -> float:
        supervisor = psutil.Process(int((Home(self._home).run / "supervisord.pid").read_text()))
        return processor_seconds([supervisor.pid, *(child.pid for child in supervisor.children(recursive=True))])

    def _client(self, service: str) -> Any:
        make: Any = boto3.client  # its types know each service by a literal name only
        endpoint = f"http://{LOOPBACK}:{self._ports.ministack}"
        return make(service, endpoint_url=endpoint, region_name=ACCOUNT_REGION, **ACCOUNT)


def _machine() -> float:
    """Processor seconds that this machine has spent on anything."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


@contextmanager
def rateless_api(folder: Path, home: Path) -> Iterator[int]:
    """The local API with the key of the stack in `home` and no rate limit; its port."""
    python = str(ROOT / ".venv" / "local" / "bin" / "python")
    options = ["--port", "0", "--rate", "0", "--state", str(folder), "--secrets", str(Home(home).secrets_file)]
    process = subprocess.Popen(
        [python, "-m", "local.listing_api", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.communicate()


def measure(folder: Path, sizes: list[int]) -> dict[int, Cost]:
    """One round of a checkout: the cost of each size."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="listings-bench-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)  # PostgreSQL's own user must get through
        Home(home).secrets()  # the API needs the key before there is a stack
        port = stack.enter_context(rateless_api(home / "rateless", home))
        running = RunningStack(folder, home, free_ports(), port)
        stack.enter_context(running.up())
        found, idle = {}, running.idle()
        for size in sizes:
            found[size] = running.send(SIZES[size].split())
            say(f"{folder}: {size} markets {found[size].wall:.0f} s; at rest {idle:.2f} processor seconds a second")
        return found


def say(line: str) -> None:
    """Tells how far it is, apart from the table."""
    print(line, file=sys.stderr, flush=True)


def table(costs: Mapping[str, list[dict[int, Cost]]], sizes: list[int]) -> list[str]:
    """The lines of the table: medians by size and checkout, and this checkout's share of the other's."""
    lines = [f"{'markets':>7}{'pages':>7}{'listings':>10}  {'':12}{'wall':>9}{'stack':>9}{'machine':>9}"]
    for size in sizes:
        middle = {name: _medians([each[size] for each in rounds]) for name, rounds in costs.items()}
        for name, figures in middle.items():
            one = costs[name][-1][size]
            head = f"{size:>7}{one.pages:>7}{one.listings:>10,}  {name:12}"
            lines.append(head + "".join(f"{seconds:>7.1f} s" for seconds in figures))
        if "beside" in middle:
            ratios = "".join(
                f"{ours / theirs:>9.2f}" for ours, theirs in zip(middle["this"], middle["beside"], strict=True)
            )
            lines.append(f"{'':26}{'ratio':12}{ratios}")
    return lines


def _medians(costs: list[Cost]) -> tuple[float, float, float]:
    return (
        median(cost.wall for cost in costs),
        median(cost.stack for cost in costs),
        median(cost.machine for cost in costs),
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.chain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beside", type=Path, help="another checkout that is set up, for instance of an older commit")
    parser.add_argument("--sizes", type=int, nargs="+", choices=list(SIZES), default=list(SIZES), help="markets")
    parser.add_argument("--rounds", type=int, default=1, help="(%(default)s)")
    given = parser.parse_args()
    folders = {"beside": given.beside.resolve()} if given.beside else {}
    folders["this"] = ROOT
    costs: dict[str, list[dict[int, Cost]]] = {name: [] for name in folders}
    for _ in range(given.rounds):
        for name, folder in folders.items():
            costs[name].append(measure(folder, given.sizes))
    print(f"medians of {given.rounds}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} in the end\n")
    print("\n".join(table(costs, given.sizes)))


if __name__ == "__main__":
    main()
