"""What is looked at before anything is started: this machine, and the settings that Airflow's code will get."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.aws.outputs import SETTINGS
from infra.aws.tuning import NAMES, meant
from local import machine
from local.stack.airflow_environment import BIN
from local.stack.ports import PREFIX, Ports
from local.stack.process_marks import MARK

# In Airflow's own interpreter: the stand-in imports nothing of the pipeline.
READ = "from include.base.settings import tuning; tuning()"
REFUSAL = "include.base.settings.SettingsError: "


class SettingRefused(ValueError):
    """A LISTINGS_* setting is unknown or cannot be read; the message names it, what came and what was expected."""


class MachineRefused(RuntimeError):
    """This machine cannot hold a stack there; the message says why and what to do."""


# What is turned, where a stack is; and what one has in its own environment, which a shell may have read.
KNOWN = (*NAMES, "LISTINGS_HOME", *(f"{PREFIX}{name.upper()}" for name, _ in Ports().items()))
OWN = (MARK, *SETTINGS)


def require_known(settings: Mapping[str, str]) -> None:
    """Raises SettingRefused, with the nearest right name, where a LISTINGS_* name is none of ours.

    A setting that nobody reads would leave its default in force, and nobody the wiser.
    """
    wrong = [name for name in settings if name.startswith("LISTINGS_") and name not in (*KNOWN, *OWN)]
    if wrong:
        raise SettingRefused("; ".join(f"{name} is no setting.{meant(name, KNOWN)}" for name in wrong))


def require_fit(home: Path) -> None:
    """Raises MachineRefused when the home's disk has no room, or PostgreSQL could not enter its folders."""
    if found := machine.obstacle(home):
        raise MachineRefused(found)


def require_readable(environment: Mapping[str, str]) -> None:
    """Raises SettingRefused, in the words of the code that reads the settings, when it does not take these."""
    python = str(BIN / "python")
    result = subprocess.run([python, "-c", READ], env=environment, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    last = (result.stderr.strip() or f"{python} ended with {result.returncode}").splitlines()[-1]
    if last.startswith(REFUSAL):
        raise SettingRefused(last.removeprefix(REFUSAL))
    raise SettingRefused(f"Airflow's code cannot read its settings: {last}. `make setup` makes its environment anew")
