"""Knows what the template takes as its parameters, so that a wrong one is refused before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.aws.account import DeployError
from infra.aws.template_reader import read_template


@cache
def declared() -> dict[str, Any]:
    """The template's parameters as they are declared, by name."""
    return dict(read_template()["Parameters"])


def refuse_wrong(parameters: Mapping[str, str | None], called: Mapping[str, str]) -> None:
    """Raises DeployError for the first value that CloudFormation would refuse, by what a person calls it."""
    for name, value in parameters.items():
        if value is not None and (expected := _expected(declared()[name], value)):
            raise DeployError(f"{called.get(name, name)}={value}: expected {expected}.")


def _expected(parameter: Mapping[str, Any], value: str) -> str:
    """What was expected in place of the value; empty when it is right."""
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return "one of " + ", ".join(map(str, parameter["AllowedValues"]))
    if "AllowedPattern" in parameter and not re.search(parameter["AllowedPattern"], value):
        return str(parameter.get("ConstraintDescription", f"something like {parameter.get('Default')}"))
    if parameter["Type"] == "Number":
        least, most = parameter.get("MinValue", 0), parameter.get("MaxValue", float("inf"))
        if not (re.fullmatch(r"\d+(\.\d+)?", value) and least <= float(value) <= most):
            return f"a number from {least}" + (f" to {most}" if "MaxValue" in parameter else "")
    return ""
