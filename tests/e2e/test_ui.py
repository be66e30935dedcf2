"""The Airflow UI in a real browser: what a person sees of the chain."""

from __future__ import annotations

import pytest

from tests.e2e.pipeline import Pipeline
from tools.pictures import asset_id, logged_in

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("chromium"),
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


def test_the_asset_page_shows_the_chain_from_left_to_right(pipeline: Pipeline) -> None:
    """Every DAG and asset of the chain stands right of the one before it."""
    with logged_in(pipeline.stack) as page:
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


def test_the_form_of_an_extraction_asks_for_markets_family_and_page_limit(pipeline: Pipeline) -> None:
    """Triggering extract_listings shows a field for each param, filled with its default."""
    with logged_in(pipeline.stack, height=1400) as page:
        page.goto(f"{pipeline.stack.ui_url}/dags/extract_listings")
        page.get_by_role("button", name="Trigger").first.click()
        for label in ("Markets", "API family", "Page limit", "Reason for another date"):
            page.get_by_text(label, exact=False).first.wait_for()
        assert page.get_by_text("houston, tx").count() + page.locator("textarea", has_text="houston, tx").count() > 0
