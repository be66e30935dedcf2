"""The processes that stand in for the outside world: PostgreSQL, AWS, the Redshift endpoint, the listing API."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from local.patience import Patience
from local.stack.home import ROOT, Home
from local.stack.ports import LOOPBACK, Ports
from local.stack.supervisor import Program, Supervisor, SupervisorError

PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
MINISTACK = "ministack"
LISTING_API = "listing-api"


def services(home: Home, ports: Ports, recordings: Path | None, durable: bool = True) -> list[Program]:
    """The programs, in the order in which they depend on each other."""
    secrets = str(home.secrets_file)
    recorded = ["--recordings", str(recordings)] if recordings else []
    return [
        Program(
            "postgres",
            "database",
            _module(
                "local.postgres.server",
                *("--data", str(home.path / "postgres"), "--port", str(ports.postgres), "--secrets", secrets),
                *(() if durable else ("--not-durable",)),
            ),
            plain_environment(home),
            # A fast shutdown: SIGTERM would wait until the last client has gone.
            stop_signal="INT",
            stop_seconds=30,
        ),
        Program(
            MINISTACK,
            "services",
            [str(PYTHON), "-m", "ministack"],
            _ministack(home, ports),
            # It writes its state while it stops.
            stop_seconds=30,
        ),
        Program(
            "redshift",
            "services",
            _module(
                "local.redshift",
                *("--port", str(ports.redshift), "--postgres-port", str(ports.postgres)),
                *("--secrets", secrets, "--s3-endpoint", f"http://{LOOPBACK}:{ports.ministack}"),
            ),
            plain_environment(home),
        ),
        Program(
            LISTING_API,
            "services",
            _module(
                "local.listing_api",
                *("--port", str(ports.api), "--state", str(home.path / "listing_api")),
                *("--secrets", secrets, "--rate", "20", *recorded),
            ),
            plain_environment(home),
        ),
    ]


def wait_until_ready(supervisor: Supervisor, ports: Ports, patience: float = 60.0) -> None:
    """Returns when all of them answer; raises SupervisorError with the log of the one that does not."""
    checks: dict[str, Callable[[], bool]] = {
        "postgres": lambda: accepts(ports.postgres),
        MINISTACK: lambda: is_ministack_ready(ports),
        "redshift": lambda: accepts(ports.redshift),
        LISTING_API: lambda: accepts(ports.api),
    }
    for name, check in checks.items():
        wait_for(supervisor, name, check, patience)


def wait_for(supervisor: Supervisor, name: str, check: Callable[[], bool], patience: float) -> None:
    """Returns when `check` holds; raises SupervisorError when the program gave up or patience is over."""
    waiting = Patience(patience)
    while not check():
        supervisor.require_running([name])
        if waiting.is_over():
            raise SupervisorError(
                f"{name} did not answer within {waiting.waited:.0f} s. Its log ends:\n{supervisor.log_end(name)}"
            )
        time.sleep(0.05)


def accepts(port: int) -> bool:
    """Whether somebody takes connections on this port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def is_ministack_ready(ports: Ports) -> bool:
    """Whether MiniStack says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{ports.ministack}/_ministack/ready", timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _module(name: str, *arguments: str) -> list[str]:
    return [str(PYTHON), "-m", name, *arguments]


def plain_environment(home: Home) -> dict[str, str]:
    """The environment of a process of ours that needs nothing particular."""
    return {
        "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home.path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def _ministack(home: Home, ports: Ports) -> dict[str, str]:
    """Exactly what MiniStack is to know: the Lambda functions' processes inherit it."""
    state = home.path / "ministack"
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)  # it writes Secrets Manager's values into files that anybody might read
    for folder in ("state", "s3", "tmp"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(state),
        "TMPDIR": str(state / "tmp"),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(ports.ministack),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": "us-east-1",
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_ACCOUNT_CONCURRENCY": "16",
    }
