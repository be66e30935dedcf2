"""Knows how the project's YAML files are read: by libyaml where it is, which takes a tenth of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as FastLoader
except ImportError:  # PyYAML's wheels bring libyaml; one that was built without it has no such name
    from yaml import SafeLoader as FastLoader  # type: ignore[assignment]

__all__ = ["FastLoader", "read_yaml"]


def read_yaml(path: Path) -> Any:
    """The document of a file as plain data; yaml.YAMLError for what is none."""
    return yaml.load(path.read_text("utf-8"), Loader=FastLoader)
