"""An adapter file as it is read, to be changed in parts."""

import copy
from typing import Any

import yaml

from include.contract.families import (
    SOURCES_FOLDER,
)

ZILLOW56 = yaml.safe_load((SOURCES_FOLDER / "zillow56.yaml").read_text("utf-8"))


def zillow56(**changes: Any) -> dict[str, Any]:
    """The zillow56 file as read, with some of its parts changed."""
    return {**copy.deepcopy(ZILLOW56), **changes}
