"""Knows how to run a MiniStack of one's own: on a free port, with IAM enforced, in a folder the test owns."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import boto3

PROJECT_ROOT = Path(__file__).resolve().parents[2]
LAMBDA_PYTHON = PROJECT_ROOT / ".venv" / "local" / "bin" / "python"
REGION = "us-east-1"
ACCOUNT = "000000000000"
READY_WITHIN_SECONDS = 30.0
STOPPED_WITHIN_SECONDS = 20.0


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningMiniStack:
    """A MiniStack process with `AUTH=true`; its state lies in `home` and outlives a graceful `stop()`.

    Use it as a context manager, or call `start()`, `stop()` and `kill()` in any order. After `kill()` only
    the S3 objects survive: MiniStack writes the rest when it stops gracefully, and only then. `settings` are
    environment variables of its own that differ from the stack's.
    """

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        python: Path = LAMBDA_PYTHON,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.home = home
        self._settings = settings
        self.port = port or free_port()
        self.python = python
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The URL that every AWS client talks to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """Where MiniStack writes, and what to read when a start fails."""
        return self.home / "ministack.log"

    def client(self, service: str, access_key: str = "test", secret_key: str = "test", token: str | None = None) -> Any:
        """A boto3 client of this MiniStack; as the account's root unless keys are given."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
        )

    def start(self) -> Self:
        """Starts the process and waits until it answers; raises RuntimeError with the end of its log."""
        if self._process is not None:
            raise RuntimeError(f"MiniStack already runs as process {self._process.pid}")
        for folder in ("state", "s3", "tmp"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            # A session of its own: the Lambda workers are its children, and go with it when it is killed.
            self._process = subprocess.Popen(
                [str(self.python), "-m", "ministack"],
                env=self._environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready(self._process)
        return self

    def stop(self) -> None:
        """Stops gracefully, so that the state is written; does nothing when it does not run."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"MiniStack did not stop within {STOPPED_WITHIN_SECONDS:.0f} s") from None
        self._end_group(process.pid)
        self._process = None

    def kill(self) -> None:
        """Ends it as kill -9 does: no state is written. Its Lambda workers end with it."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        self._end_group(process.pid)
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        # Nothing is inherited but the path: Lambda workers see whatever MiniStack sees.
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.home / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.home / "s3"),
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_ACCOUNT_CONCURRENCY": "16",
            **self._settings,
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._process = None
                raise RuntimeError(f"MiniStack ended with {process.returncode}:\n{self._log_end()}")
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"MiniStack was not ready in {READY_WITHIN_SECONDS:.0f} s:\n{self._log_end()}")

    def _log_end(self) -> str:
        return self.log_path.read_text(errors="replace")[-2000:]

    @staticmethod
    def _end_group(group: int) -> None:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
