"""Knows whether this machine lets a local stack start: room, folders, ports, settings, as `make up` looks at them."""

from __future__ import annotations

import os
import subprocess
import sys

from infra.doctor.finding import Finding, mend, ok
from infra.doctor.target import Target


def look_at_machine(target: Target) -> Finding:
    """Whether `make up` would start; asked of its own code, which this package may not import."""
    done = subprocess.run(
        [sys.executable, "-m", "local.stack", "check"],
        cwd=target.root,
        env={**os.environ, "LISTINGS_HOME": str(target.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ok("has room for a stack; its ports and settings can be had")
    told = done.stderr.strip().removeprefix("stack: ") or f"`python -m local.stack check` ended with {done.returncode}"
    return mend(told, "mend that, then make up")
