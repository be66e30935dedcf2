"""Knows how the project's YAML files are read: by libyaml where it is, which takes a tenth of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# PyYAML's wheels bring libyaml; one that was built without it has no such name.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """The document of a file as plain data; yaml.YAMLError for what is none."""
    return yaml.load(path.read_text("utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, either of them
