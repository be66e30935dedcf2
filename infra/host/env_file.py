"""Knows the syntax of systemd's EnvironmentFile, as far as ours use it: a line per variable, quoted like a shell's."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path


class EnvFileError(ValueError):
    """A line that is no variable; the message names file and line."""


def read(*paths: Path) -> dict[str, str]:
    """The variables of these files, a later file before an earlier one, as for a unit that names them in order.

    Raises EnvFileError for a line that is no variable, and FileNotFoundError.
    """
    found: dict[str, str] = {}
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() and line.lstrip()[0] not in "#;":
                name, value = _variable(line, f"{path}:{number}")
                found[name] = value
    return found


def render(variables: Mapping[str, str]) -> str:
    """The text of a file with these variables."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def _variable(line: str, place: str) -> tuple[str, str]:
    name, equals, text = line.strip().partition("=")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise EnvFileError(f"{place}: {error}") from error
    if not equals or not name.isidentifier():
        raise EnvFileError(f"{place}: expected NAME=value, got {line.strip()[:60]!r}")
    # Unquoted, systemd keeps a value's inner blanks.
    return name, words[0] if len(words) == 1 else text.strip() if words else ""
