"""Asks one URL as an extraction does, and prints what came and what it cost: run as a program by a test.

The peak of a process is its own only if nothing else ran in it, which is why this is one.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import requests

from include.extract import bounded_answers

LIMIT = 25_000_000
HEADERS = {"x-rapidapi-host": "zillow56.p.rapidapi.com", "x-rapidapi-key": "example-key-not-real"}


def main(url: str) -> None:
    """Prints status, bytes kept, size in words, megabytes of memory more than before, and seconds."""
    session = requests.Session()
    session.mount("http://", bounded_answers.BoundedAdapter(LIMIT, 60))
    session.get(url.replace("page=1", "page=2"), headers=HEADERS, timeout=30)
    before, begun = _peak(), time.monotonic()
    answer = session.get(url, headers=HEADERS, timeout=30)
    print(
        json.dumps(
            {
                "status": answer.status_code,
                "kept": len(answer.content),
                "size": bounded_answers.too_big(answer, LIMIT),
                "megabytes": (_peak() - before) / 1e6,
                "seconds": time.monotonic() - begun,
            }
        )
    )


def _peak() -> int:
    """The most memory this process ever had, in bytes.

    Not by getrusage on Linux: there it begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [peak] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(peak) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv[1])
