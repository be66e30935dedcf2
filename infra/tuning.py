"""Knows what a person turns of a stage on AWS: the LISTINGS_* lines of config/<stage>.env."""

from __future__ import annotations

from pathlib import Path

# Not to deploy with what no task could start with: a setting that does not parse fails every DAG file.
from include.settings import SettingsError, Tuning, read_tuning
from infra.aws_account import DeployError
from infra.settings import SETTINGS

CONFIG = Path(__file__).resolve().parents[1] / "config"


def tuning_lines(stage: str, folder: Path = CONFIG) -> str:
    """The settings in config/<stage>.env, a line each, comments left out; empty where there is no such file.

    Raises DeployError for a line that is no setting of ours, or whose value does not parse.
    """
    path = folder / f"{stage}.env"
    if not path.exists():
        return ""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = dict(_setting(path, line) for line in lines if line and not line.startswith("#"))
    try:
        read_tuning(found)
    except SettingsError as error:
        raise DeployError(f"{path}: {error}") from None
    return "\n".join(f"{name}={value}" for name, value in found.items())


def _setting(path: Path, line: str) -> tuple[str, str]:
    name, is_assignment, value = line.partition("=")
    if name in SETTINGS:
        raise DeployError(f"{path}: {name} is an output of the stack; take it out.")
    known = [f"LISTINGS_{field.upper()}" for field in Tuning.__dataclass_fields__]
    if not is_assignment or name not in known:
        raise DeployError(f"{path}: {line!r} is no setting. Expected NAME=value, with one of {', '.join(known)}.")
    return name, value
