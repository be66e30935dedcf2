"""Knows what a shell has set for other work and must not reach the local stack: AWS profiles, PG* settings, proxies."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

FOREIGN_PREFIXES = ("AWS_", "PG")
FOREIGN = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def leave_out_foreign_settings(environment: MutableMapping[str, str] = os.environ) -> None:
    """Removes them: every address of the stack is on this machine, and it has credentials of its own."""
    for name in list(environment):
        if name.startswith(FOREIGN_PREFIXES) or name.lower() in FOREIGN:
            del environment[name]
    # Nor is a file of profiles read: a default in it would do as much.
    environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
