"""Runs the real stand-in of the warehouse for tests: PostgreSQL, MiniStack and the Redshift endpoint, on free ports."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector

from tests.support.ministack import LAMBDA_PYTHON, PROJECT_ROOT, RunningMiniStack, free_port

HOST = "127.0.0.1"
BUCKET = "warehouse-test"
SECRETS = {name: f"{name}-example-not-real" for name in ("postgres_admin", "airflow", "loader", "reader")}
KEYS = "credentials 'aws_access_key_id=000000000000;aws_secret_access_key=example-secret-not-real'"
READY_WITHIN_SECONDS = 20.0


@contextmanager
def home() -> Iterator[Path]:
    """A folder of one's own that PostgreSQL's account may enter, also when the tests run as root.

    Not pytest's tmp_path: above it is a folder that pytest closes to others, whenever another run starts.
    """
    with tempfile.TemporaryDirectory(prefix="listings-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


class Process:
    """A Python module of ours that runs until stopped; its output lies in a log file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [str(LAMBDA_PYTHON), "-m", *arguments],
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGINT, which PostgreSQL takes as "stop now, tidily" (SIGTERM waits for clients to leave); the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(20)

    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None


class Postgres:
    """An embedded PostgreSQL in `home`, which the caller owns.

    By default it does not wait for the disk: what a killed process wrote is there all the same, only a power cut
    would lose it.
    """

    def __init__(self, home: Path, durable: bool = False) -> None:
        self.home = home
        self._durable = durable
        self.data = home / "postgres"
        self.port = free_port()
        self.secrets = home / "secrets.json"
        self.secrets.touch(0o600)
        self.secrets.write_text(json.dumps(SECRETS))
        self.process: Process | None = None

    @property
    def log(self) -> str:
        """What the server has written."""
        return (self.home / "postgres.log").read_text(errors="replace")

    def start(self) -> Process:
        """Start the server; does not wait for it."""
        arguments = ["--data", str(self.data), "--port", str(self.port), "--secrets", str(self.secrets)]
        arguments += [] if self._durable else ["--not-durable"]
        self.process = Process(self.home / "postgres.log", "local.postgres.server", *arguments)
        return self.process

    def create(self) -> None:
        """Wait for it, then make roles, databases and the prelude."""
        command = [str(LAMBDA_PYTHON), "-m", "local.postgres.server", "--create"]
        command += ["--port", str(self.port), "--secrets", str(self.secrets)]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + self.log

    def connect(self, role: str = "postgres", database: str = "listings") -> psycopg.Connection[Any]:
        """An autocommit connection, past the endpoint."""
        password = SECRETS["postgres_admin" if role == "postgres" else role]
        return psycopg.connect(
            host=HOST, port=self.port, user=role, password=password, dbname=database, autocommit=True
        )


class Warehouse:
    """The endpoint with its PostgreSQL and its S3."""

    def __init__(self, home: Path) -> None:
        self.postgres = Postgres(home)
        self.ministack = RunningMiniStack(home / "ministack")
        self.port = free_port()
        self._home = home
        self._endpoint: Process | None = None

    def start(self) -> None:
        """Start all three, wait until they serve."""
        self.postgres.start()
        self.ministack.start()
        self.ministack.client("s3").create_bucket(Bucket=BUCKET)
        self.postgres.create()
        self._endpoint = Process(
            self._home / "redshift.log", "local.redshift",
            "--port", str(self.port), "--postgres-port", str(self.postgres.port),
            "--secrets", str(self.postgres.secrets), "--s3-endpoint", self.ministack.endpoint,
        )  # fmt: skip
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while "listening on" not in self.log:
            assert self._endpoint.running(), self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    @property
    def log(self) -> str:
        """What the endpoint has written."""
        return (self._home / "redshift.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop what was started."""
        for process in (self._endpoint, self.postgres.process):
            if process is not None and process.running():
                process.stop()
        self.ministack.stop()

    def driver(self, role: str = "loader") -> Any:
        """A connection as the Redshift operators make it."""
        return redshift_connector.connect(
            host=HOST, port=self.port, user=role, password=SECRETS[role], database="listings", ssl=False
        )

    def psycopg(self, role: str = "loader") -> psycopg.Connection[Any]:
        """A connection as psql makes it."""
        return psycopg.connect(
            host=HOST, port=self.port, user=role, password=SECRETS[role], dbname="listings", autocommit=True
        )

    def put(self, key: str, body: bytes) -> str:
        """Store an object; its URL."""
        self.ministack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def put_parquet(self, key: str, table: pa.Table) -> tuple[str, int]:
        """Store a table as Parquet; its URL and its size in bytes."""
        out = io.BytesIO()
        pq.write_table(table, out)
        return self.put(key, out.getvalue()), len(out.getvalue())


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Warehouse]:
    """PostgreSQL, MiniStack and the Redshift endpoint, started once."""
    with home() as folder:
        running = Warehouse(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
