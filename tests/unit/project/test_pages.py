"""The derived pages of docs/ are what they are derived from; `make docs` writes them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from include.base.settings import Tuning
from tests.support.dag_ids import DAG_IDS
from tools.pages import PAGES

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_derived_page_is_as_it_would_be_made_now(name: str) -> None:
    """A change of a setting or of a DAG's words without `make docs` is found."""
    assert PAGES[name]() == (DOCS / f"{name}.md").read_text("utf-8")


def test_every_setting_has_its_row() -> None:
    """Each field of Tuning stands once on the page, with words that say what it means."""
    rows = re.findall(
        r"^\| `LISTINGS_(\w+)` \| [^|]+ \| [^|]* \| \w[^|]{15,} \|$", (DOCS / "settings.md").read_text(), re.M
    )
    assert [each.name.upper() for each in fields(Tuning)] == rows


def test_every_dag_has_its_part() -> None:
    """Each DAG stands once on the page, and says what to do when it fails."""
    page = (DOCS / "dags.md").read_text()
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert DAG_IDS == sorted(parts)
    assert [] == [name for name, text in parts.items() if not re.search(r"\*\*When [^*]*(fails|out|closed)\*\*", text)]
