"""Answers of the local API that would fill the memory: what an extraction keeps of them, and what that costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.listing_api_server import ROOT, serving

QUERY = "/search?location=houston, tx&page=1&output=json&status=forSale"
# The bound of a page once in pieces and once joined, and a little for unpacking.
MEGABYTES = 70


def measured(state: Path, fault: dict[str, Any]) -> dict[str, Any]:
    """What a process of its own saw of the faulty page 1, and how much memory it took."""
    with serving(state, "--rate", 0) as api:
        api.put("/_control/faults", json=[{"page": 1, "times": 1, **fault}]).raise_for_status()
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.measured_answer", f"{str(api.base_url).rstrip('/')}{QUERY}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("fault", "size", "kept"),
    [
        ({"raw_body_bytes": 200_000_000}, "200000000 bytes are announced", 1_000_001),
        ({"raw_body_bytes": 200_000_000, "chunked": True}, "more than 25000000 bytes came", 25_000_001),
        ({"gzip_bytes": 4_000_000_000}, "more than 25000000 bytes came", 25_000_001),
        ({"gzip_bytes": 4_000_000_000, "chunked": True}, "more than 25000000 bytes came", 25_000_001),
        ({"gzip_bytes": 4_000_000_000, "status": 500}, None, 1_000_001),
    ],
    ids=["200 MB announced", "200 MB unannounced", "gzip bomb", "gzip bomb in chunks", "error that is a bomb"],
)
def test_a_huge_answer_costs_little_memory(tmp_path: Path, fault: dict[str, Any], size: str | None, kept: int) -> None:
    """200 MB, or 4 GB packed into 4 MB: refused with its size, while the process grows by less than 70 MB."""
    found = measured(tmp_path, fault)

    assert (fault.get("status", 200), kept) == (found["status"], found["kept"])
    assert size is None or size == found["size"]
    assert found["megabytes"] < MEGABYTES, found
    print(found)
