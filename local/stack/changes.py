"""What differs between the processes of a stack that is up and what they should be, said before they start again."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence

from local.stack.home import Home
from local.stack.supervisor import Program, Supervisor, launcher


def changes(supervisor: Supervisor, home: Home, programs: Sequence[Program]) -> list[str]:
    """A sentence for Airflow and for each other program that runs with anything different; empty when none does."""
    found: dict[str, dict[str, None]] = {}
    for program in programs:
        running = supervisor.running_launcher(program)
        wanted = launcher(program, home)
        if running is not None and running != wanted:
            who = "Airflow" if program.group == "airflow" else program.name
            found.setdefault(who, {}).update(dict.fromkeys(_differences(_exports(running), _exports(wanted))))
    at_cost = {"Airflow": ", which interrupts the tasks that it is at"}
    return [
        f"{who} starts again{at_cost.get(who, '')}: {', '.join(differences) or 'its command is another'}"
        for who, differences in found.items()
    ]


def _exports(script: str) -> dict[str, str]:
    """The environment that a launcher gives."""
    words = shlex.split(script, comments=True)
    given = [after for word, after in itertools.pairwise(words) if word == "export"]
    return dict(each.split("=", 1) for each in given)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [
        _difference(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _difference(name: str, old: str | None, new: str | None) -> str:
    """Values are told of our own settings only: others may be secrets."""
    if not name.startswith("LISTINGS_"):
        return f"{name} is {'another' if old and new else 'no longer set' if old else 'new'}"
    now = f"{name} is {new}" if new is not None else f"{name} is not set any more"
    return f"{now} (was {old if old is not None else 'not set'})"
