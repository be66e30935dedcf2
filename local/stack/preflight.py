"""What is looked at before anything is started: whether Airflow's code can read the settings that it will get."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from local.stack.airflow_environment import BIN

# In Airflow's own interpreter: the stand-in imports nothing of the pipeline.
READ = "from include.settings import tuning; tuning()"
REFUSAL = "include.settings.SettingsError: "


class SettingRefused(ValueError):
    """A LISTINGS_* setting cannot be read; the message names it, what came and what was expected."""


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
