"""Knows how to run the listing API as a process of a test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def command(*options: object) -> list[str]:
    """The command line of the server with these options."""
    return [sys.executable, "-m", "local.listing_api", *map(str, options)]


@contextmanager
def serving(state: Path, *options: object) -> Iterator[httpx.Client]:
    """A server of its own on a free port, and a client for it."""
    process = subprocess.Popen(
        command("--port", 0, "--state", state, *options), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=address, timeout=10, trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.communicate()
