"""Knows what a person turns of a stage on AWS: the LISTINGS_* lines of config/<stage>.env."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

# Not to deploy with what no task could start with: a setting that does not parse fails every DAG file.
from include.base.settings import SettingsError, Tuning, read_tuning
from infra.aws.account import DeployError
from infra.aws.outputs import SETTINGS

NAMES = tuple(f"LISTINGS_{field.upper()}" for field in Tuning.__dataclass_fields__)
CONFIG = Path(__file__).resolve().parents[2] / "config"


@dataclass(frozen=True)
class StageTuning:
    """What is turned: the lines as the template takes them, and the slots of the pool that MWAA must be given."""

    lines: str
    api_slots: int


def read_stage_tuning(stage: str, folder: Path = CONFIG) -> StageTuning:
    """The settings in config/<stage>.env, a line each, comments left out; none where there is no such file.

    Raises DeployError for a line that is no setting of ours, or whose value does not parse.
    """
    path = folder / f"{stage}.env"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [line.strip() for line in text.splitlines()]
    found = dict(_setting(path, line) for line in lines if line and not line.startswith("#"))
    try:
        slots = read_tuning(found).api_slots
    except SettingsError as error:
        raise DeployError(f"{path}: {error}") from None
    return StageTuning("\n".join(f"{name}={value}" for name, value in found.items()), slots)


def _setting(path: Path, line: str) -> tuple[str, str]:
    name, is_assignment, value = line.partition("=")
    if name in SETTINGS:
        raise DeployError(f"{path}: {name} is an output of the stack; take it out.")
    if not is_assignment or name not in NAMES:
        raise DeployError(
            f"{path}: {line!r} is no setting.{meant(name, NAMES)} Expected NAME=value, with one of {', '.join(NAMES)}."
        )
    return name, value


def meant(name: str, known: Collection[str]) -> str:
    """A question for whoever wrote `name`, where one of those known is near it; else nothing."""
    # What all of them begin with would make any two of them alike.
    short = {each.removeprefix("LISTINGS_"): each for each in known}
    near = difflib.get_close_matches(name.removeprefix("LISTINGS_"), short, 1)
    return f" Did you mean {short[near[0]]}?" if near else ""
