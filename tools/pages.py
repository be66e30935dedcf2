"""Pages of docs/ that are derived: `python -m tools.pages settings | dags` prints one.

`make docs` writes them, and a test holds them to what they are made of.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from include.base.settings import Tuning

ROOT = Path(__file__).resolve().parents[1]
# As the data goes; then what is called for.
DAGS = ("extract", "sense", "load", "report", "reconcile", "replay", "redrive", "withdraw")


SETTINGS = """# Settings

Each is a variable of the environment: here of the shell that calls `make up`, on AWS a line of `config/<stage>.env`
before `make deploy`. A value that does not parse stops everything at once and says so. Lists are separated by commas or
spaces. The local stack asks its own API faster, with three slots and 16 requests a second, and its schedules begin when
it was first started. Its ports and its home: [README](../README.md#settings).

Generated from `include/base/settings.py` by `make docs`; do not edit.

| variable | default | unit | meaning |
|---|---|---|---|
"""
DAGS_SAY = """# DAGs

What each DAG says of itself, as Airflow shows it: when it wakes, what it reads and writes, how it runs again, what to
do when it fails. [How they wake each other](architecture.md).

Generated from the files in `dags/` by `make docs`; do not edit.
"""


def settings() -> str:
    """The table of every setting of the pipeline: name, default, unit and meaning."""
    rows = [
        f"| `LISTINGS_{each.name.upper()}` | {_written(each.default)} | {each.metadata['unit']} | "
        f"{each.metadata['meaning']}{_bound(each.metadata)} |"
        for each in fields(Tuning)
    ]
    return SETTINGS + "\n".join(rows) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value not in ((), "") else "none"


def _bound(said: Any) -> str:
    return "; more than zero" if said["more_than_zero"] else ""


def dags() -> str:
    """What each DAG says of itself in the UI, in one page."""
    parts = [DAGS_SAY]
    for name in DAGS:
        said = ast.get_docstring(ast.parse((ROOT / "dags" / f"{name}_listings.py").read_text("utf-8")))
        assert said is not None, name
        title, _, rest = said.partition("\n")
        parts.append(f"## {name}_listings\n\n**{title.removeprefix('### ')}**\n{rest}\n")
    return "\n".join(parts)


PAGES = {"settings": settings, "dags": dags}


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PAGES:
        sys.exit(f"usage: python -m tools.pages {' | '.join(PAGES)}")
    print(PAGES[sys.argv[1]](), end="")
