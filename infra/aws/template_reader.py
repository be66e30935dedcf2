"""Knows how to read what of the template does not depend on CloudFormation's functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from include.contract.yaml_files import FastLoader

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def read_template(root: Path = PROJECT_ROOT) -> dict[str, Any]:
    """infra/template.yaml of a checkout as plain data."""
    text = (root / "infra" / "template.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=_Plain)  # noqa: S506 - a SafeLoader
    return found


class _Plain(FastLoader):
    """CloudFormation's short forms are read as what stands behind the tag; by libyaml, in a tenth of the time."""


def _behind(loader: FastLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node)


_Plain.add_multi_constructor("!", _behind)
