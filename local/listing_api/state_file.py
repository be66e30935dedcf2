"""A small JSON file that outlives the process: written whole or not at all."""

import json
from pathlib import Path
from typing import Any


class BadState(ValueError):
    """A state file that cannot be read; the message names it and says what to do."""


def read_state(path: Path) -> dict[str, Any]:
    """The object in the file, {} where there is no file. Raises BadState for anything that is no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadState(f"{path}: expected JSON, found something else ({error}). Delete it to start anew.") from error
    if not isinstance(content, dict):
        raise BadState(f"{path}: expected a JSON object, found {type(content).__name__}. Delete it to start anew.")
    return content


def write_state(path: Path, content: dict[str, Any]) -> None:
    """Replaces the file at once, so that a kill leaves the old content or the new, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(path)
