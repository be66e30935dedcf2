"""The project has one version, wherever it is said."""

import re
import tomllib
from pathlib import Path

from include.base.version import VERSION
from local.stack.status import version

ROOT = Path(__file__).resolve().parents[3]


def test_everything_says_the_same_version() -> None:
    """pyproject.toml, `make status`, and the newest version of the changelog say what pages and manifests say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cut = re.findall(r"^## (\d+\.\d+\.\d+) – \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert [VERSION] * 3 == [project["version"], version(), cut[0]]
