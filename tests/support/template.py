"""Knows how to read the template as plain data: short-form intrinsics come out in their long form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from include.contract.yaml_files import FastLoader

TEMPLATE_FILE = Path(__file__).resolve().parents[2] / "infra" / "template.yaml"


class _ShortForm(FastLoader):
    """A YAML loader that takes CloudFormation's tags; one of its own, so that yaml.safe_load stays strict."""


def _intrinsic(loader: FastLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_ShortForm.add_multi_constructor("!", _intrinsic)


def read_template() -> dict[str, Any]:
    """infra/template.yaml as dictionaries and lists."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE_FILE.read_text(encoding="utf-8"), _ShortForm)
    return loaded


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type by logical id; fails when there is none, so no test passes on nothing."""
    found = {name: part for name, part in template["Resources"].items() if part["Type"] == kind}
    assert found, f"the template has no {kind}"
    return found


def statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement of the template, trusting and conditional ones too, with its resource's logical id."""
    for name, part in template["Resources"].items():
        properties = part.get("Properties", {})
        documents = [properties.get("PolicyDocument"), properties.get("AssumeRolePolicyDocument")]
        documents += [policy["PolicyDocument"] for policy in policies(part)]
        for document in documents:
            for statement in (document or {}).get("Statement", []):
                choices = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
                yield from ((name, choice) for choice in choices if "Effect" in choice)


def policies(role: dict[str, Any]) -> list[dict[str, Any]]:
    """The inline policies of a role, those that stand behind a condition too."""
    found = []
    for policy in role.get("Properties", {}).get("Policies", []):
        choices = policy["Fn::If"][1:] if "Fn::If" in policy else [policy]
        found += [choice for choice in choices if "PolicyDocument" in choice]
    return found


def as_list(value: Any) -> list[Any]:
    """IAM lets one action or resource stand without a list."""
    return value if isinstance(value, list) else [value]


def looked_up(template: dict[str, Any], value: Any) -> Any:
    """What `!FindInMap` finds, and a literal as it is; fails for a parameter or any other intrinsic."""
    if isinstance(value, dict):
        assert ["Fn::FindInMap"] == list(value), f"expected a literal or FindInMap, came {value}"
        name, first, second = value["Fn::FindInMap"]
        return template["Mappings"][name][first][second]
    return value


def without_intrinsics(value: Any) -> str:
    """A resource reference as the text that the template's author wrote: `X.Arn`, or the Sub's string."""
    if isinstance(value, str):
        return value
    [(kind, inside)] = value.items()
    return ".".join(inside) if kind == "Fn::GetAtt" else str(inside)
