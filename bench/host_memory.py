"""How much memory the one host takes: `python -m bench.host_memory`, as root on Linux.

Installs a release as EC2 does and runs its units and their PostgreSQL in a memory cgroup of 4 GiB, the size of the
instance, while three markets go from the API into the report. AWS, the warehouse and the API stand outside the group,
as they do there. Then it prints:

    charged   the most that the group was charged with; the kernel keeps files in whatever is free, so this nears the
              limit on any host and says little
    kept      the most that could not have been given up: anonymous and shared memory. This must fit
    refused   how often the limit was hit (files were dropped from memory then), and processes killed for it

    processor seconds that the run took and that an idle Airflow takes,

and for the moment of the most kept memory the share of each part, what is shared being divided among its users.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.memory_group import MemoryGroup, processor_seconds, proportional, session_of
from infra.aws.outputs import settings_of
from infra.deploy.deploy import deploy_local
from infra.host.own_secrets import UI_USER
from infra.host.services import AIRFLOW
from infra.package.release import build_release
from local.airflow.api import AirflowApi
from tests.proofs.host.trial import TrialHost, Who, aws_of_the_host
from tests.proofs.host.units import Units
from tests.support.ministack import REGION, free_port
from tests.support.warehouse_fixture import SECRETS, Postgres, Process, Warehouse, home

MARKETS = ["houston, tx", "austin, tx", "galveston, tx"]
GIB, MIB = 2**30, 2**20
API_KEY = "example-key-not-real"
PATIENCE = 600.0
IDLE_SECONDS = 45.0


@dataclass
class Watch:
    """Looks at the group again and again while something runs, and keeps the moment of the most kept memory."""

    group: MemoryGroup
    units: Units
    database: Process
    most: int = 0
    shares: dict[str, int] = field(default_factory=dict)

    def look(self) -> int:
        """One look; bytes kept at this moment."""
        kept = self.group.kept()
        if kept > self.most:
            self.most, self.shares = kept, self._shares()
        return kept

    def _shares(self) -> dict[str, int]:
        sessions = {self.units.pid(unit): unit.removesuffix(".service") for unit in AIRFLOW}
        found: dict[str, int] = defaultdict(int)
        for pid in self.group.pids():
            name = sessions.get(session_of(pid), "postgresql")
            if name == "airflow-scheduler" and pid not in sessions:
                name = "its tasks and workers" if not _is_fork_server(pid) else "its fork server"
            found[name] += proportional(pid)
        return dict(found)

    @contextmanager
    def going(self) -> Iterator[None]:
        """Looks four times a second until the block ends."""
        end = threading.Event()

        def go() -> None:
            while not end.wait(0.25):
                self.look()

        thread = threading.Thread(target=go)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def _is_fork_server(pid: int) -> bool:
    try:
        return "multiprocessing" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


class Pipeline:
    """The host at work: what is asked of its Airflow, and what has come into the warehouse and the report."""

    def __init__(self, host: TrialHost, warehouse: Warehouse, bucket: str) -> None:
        os.environ["SSL_CERT_FILE"] = str(host.layout.certificate)
        password = json.loads(host.layout.passwords.read_text())[UI_USER]
        port = next(line for line in host.layout.host_env.read_text().splitlines() if "API__PORT" in line)
        self.airflow = AirflowApi(f"https://localhost:{port.partition('=')[2]}", UI_USER, password)
        self.warehouse, self.bucket = warehouse, bucket
        self.day = datetime.now(UTC).date().isoformat()

    def run(self, page_limit: int) -> dict[str, float]:
        """All markets from the API into the report; seconds until each of the steps was done."""
        started, done = time.monotonic(), {}
        self.airflow.pause("extract_listings", False)
        conf = {"markets": MARKETS, "source": "zillow56", "page_limit": page_limit}
        run_id = self.airflow.trigger("extract_listings", partition_key=self.day, conf=conf)
        state = self.airflow.wait_for_run("extract_listings", run_id, PATIENCE)
        assert state == "success", f"extract_listings {run_id} ended {state}"
        done["landed"] = time.monotonic() - started
        for step, holds in (("loaded", self._is_loaded), ("reported", self._is_reported)):
            _until(holds, step)
            done[step] = time.monotonic() - started
        return done

    def _is_loaded(self) -> bool:
        sql = "select count(distinct market) from core.listing_snapshots"
        try:
            with self.warehouse.psycopg() as connection:
                return bool(connection.execute(sql).fetchall()[0][0] == len(MARKETS))
        except psycopg.errors.UndefinedTable:
            return False

    def _is_reported(self) -> bool:
        s3 = self.warehouse.ministack.client("s3")
        try:
            body = s3.get_object(Bucket=self.bucket, Key=f"reports/date={self.day}/report.json")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return False
        return all(f"zillow56/{market.replace(', ', '-')}|".encode() in body for market in MARKETS)


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not {what} in {PATIENCE:.0f} s"
        time.sleep(1)


def connections(warehouse: Warehouse, api_port: int, roles: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Airflow's connections; as on AWS, aws_s3_conn assumes no role."""
    return {
        "zillow_api": {
            "conn_type": "http",
            "host": "http://127.0.0.1",
            "port": api_port,
            "extra": {"x-rapidapi-key": API_KEY, "x-rapidapi-host": "zillow56.p.rapidapi.com"},
        },
        "aws_s3_conn": {"conn_type": "aws", "extra": {"region_name": REGION}},
        "conn_id_redshift": {
            "conn_type": "redshift",
            "host": "127.0.0.1",
            "port": warehouse.port,
            "schema": "listings",
            "login": "loader",
            "password": SECRETS["loader"],
            "extra": {"ssl": False},
        },
        "redshift_copy_role": {"conn_type": "aws", "extra": {"role_arn": roles["RedshiftCopyRoleArn"]}},
    }


@contextmanager
def outside(folder: Path) -> Iterator[tuple[Warehouse, int]]:
    """What is not on the host: AWS and the warehouse, and the API with its port."""
    with ExitStack() as stack:
        warehouse = Warehouse(folder)
        stack.callback(warehouse.stop)
        warehouse.start()
        secrets, port = folder / "api-secrets.json", free_port()
        secrets.write_text(json.dumps({"listing_api_key": API_KEY}))
        arguments = ("--port", str(port), "--state", str(folder / "api"), "--secrets", str(secrets), "--rate", "20")
        api = Process(folder / "api.log", "local.listing_api", *arguments)
        stack.callback(api.kill)
        yield warehouse, port


def measure(limit: int, page_limit: int, settings: dict[str, str]) -> None:
    """Installs, idles, runs, and prints the figures."""
    with ExitStack() as stack:
        folder = stack.enter_context(home())
        warehouse, api_port = stack.enter_context(outside(folder))
        endpoint, build = warehouse.ministack.endpoint, folder / "build"
        roles = deploy_local(endpoint, build, {}).outputs
        deployed = deploy_local(endpoint, build, connections(warehouse, api_port, roles))
        sts = warehouse.ministack.client("sts", deployed.base_access_key_id, deployed.base_secret_access_key)
        session = sts.assume_role(RoleArn=roles["AirflowRoleArn"], RoleSessionName="host")["Credentials"]
        group = stack.enter_context(MemoryGroup.of(f"listings-bench-{os.getpid()}", limit))
        database = Postgres(stack.enter_context(home()))
        process = database.start()
        group.join(process.pid)
        stack.callback(process.stop)
        database.create()
        host = TrialHost(Who.here(f"listings-{os.getpid()}"))
        stack.callback(host.end)
        (host.units.folder / "cgroup").write_text(str(group.members))
        host.extra(aws_of_the_host(endpoint, session))
        host.settings(
            {
                "AWS_DEFAULT_REGION": REGION,
                "LISTINGS_STAGE": "local",
                "LISTINGS_UI_HOST": "127.0.0.1",
                "LISTINGS_UI_PORT": str(free_port()),
                **settings_of(deployed.outputs),
                **settings,
            }
        )
        url = f"postgresql+psycopg2://airflow:{SECRETS['airflow']}@127.0.0.1:{database.port}/airflow"
        done = host.install(host.unpack(build_release(folder)), LISTINGS_DATABASE_URL=url)
        assert done.returncode == 0, done.stdout + done.stderr
        watch = Watch(group, host.units, process)
        before = processor_seconds(group.pids())
        time.sleep(IDLE_SECONDS)
        idle, begun = watch.look(), processor_seconds(group.pids())
        with watch.going():
            steps = Pipeline(host, warehouse, deployed.outputs["CleanBucketName"]).run(page_limit)
        time.sleep(5)  # the last workers are waited for, so that their time counts
        spent = processor_seconds(group.pids()) - begun
        show(group, watch, idle, steps)
        print(f"processor: {spent:.0f} s at work, {(begun - before) / IDLE_SECONDS:.2f} s a second when idle")


def show(group: MemoryGroup, watch: Watch, idle: int, steps: dict[str, float]) -> None:
    """Prints the figures."""
    refused, killed = group.refusals()
    load = os.getloadavg()[0]
    print(f"limit {group.limit / MIB:,.0f} MiB; {os.cpu_count()} processors for all, load {load:.1f} in the end")
    print(f"charged at most {group.peak() / MIB:,.0f} MiB, kept {watch.most / MIB:,.0f} MiB (idle {idle / MIB:,.0f})")
    print(f"refused {refused} times, {killed} processes killed")
    print("after " + ", ".join(f"{seconds:.0f} s {step}" for step, seconds in steps.items()))
    for name, size in sorted(watch.shares.items(), key=lambda each: -each[1]):
        print(f"    {name:24} {size / MIB:7,.0f} MiB")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.host_memory", description=__doc__)
    parser.add_argument("--gib", type=float, default=4.0, help="size of the host (%(default)s)")
    parser.add_argument("--page-limit", type=int, default=20, help="pages of each market (%(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a line of settings.env")
    given = parser.parse_args()
    settings = dict(each.partition("=")[::2] for each in given.set)
    measure(int(given.gib * GIB), given.page_limit, settings)


if __name__ == "__main__":
    main()
