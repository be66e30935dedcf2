"""The Airflow UI in a real browser: what a person sees of the chain."""

from __future__ import annotations

import pytest

from tests.support.pipeline import Pipeline
from tools.pictures import Login, asset_id

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("chromium"),
    pytest.mark.usefixtures("wave"),  # what they look at goes on beside it
]

CHAIN = [
    "1 · extract_listings",
    "landed_listings",
    "2 · sense_listings",
    "clean_listings",
    "3 · load_listings",
    "warehouse_listings",
    "4 · report_listings",
    "market_report",
]


def test_the_asset_page_shows_the_chain_from_left_to_right(pipeline: Pipeline, login: Login) -> None:
    """Every DAG and asset of the chain stands right of the one before it."""
    with login.page() as page:
        page.goto(f"{pipeline.stack.ui_url}/assets/{asset_id(pipeline.stack, 'clean_listings')}")
        nodes = page.locator(".react-flow__node")
        nodes.nth(8).wait_for()
        page.wait_for_timeout(1500)
        lefts = []
        for name in CHAIN:
            box = nodes.filter(has_text=name).first.bounding_box()
            assert box is not None, f"{name} is not in the graph"
            lefts.append(box["x"])
        assert sorted(lefts) == lefts
        assert len(CHAIN) == len(set(lefts))


def test_the_form_of_an_extraction_asks_for_markets_family_and_page_limit(pipeline: Pipeline, login: Login) -> None:
    """Triggering extract_listings shows a field for each param, filled with its default."""
    with login.page(height=1400) as page:
        page.goto(f"{pipeline.stack.ui_url}/dags/extract_listings")
        page.get_by_role("button", name="Trigger").first.click()
        for label in ("Markets", "API family", "Page limit", "Reason for another date"):
            page.get_by_text(label, exact=False).first.wait_for()
        page.get_by_text("houston, tx").or_(page.locator("textarea", has_text="houston, tx")).first.wait_for()
