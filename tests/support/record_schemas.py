"""The forms of the two records of a set, as JSON schemas that a validator reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).resolve().parents[2] / "include" / "schemas"


def complaints(name: str, record: Any) -> list[str]:
    """What `manifest` or `success` forbids of the record, each with its place."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return [f"{each.json_path}: {each.message}" for each in Draft202012Validator(schema).iter_errors(record)]
