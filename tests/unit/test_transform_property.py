"""Whatever a page holds, the transform accounts for every listing on it and does not fall over."""

import sys

import pytest

from include.sources import load_source
from tests.unit.generated_pages import ENVELOPES, FAMILIES, ROW_KINDS, VALUES, valid_payload
from tests.unit.transform_claims import run
from tests.unit.transform_code import clean_rows

EXAMPLES = 500  # `make fuzz` runs 20,000


def test_the_claims_hold_for_generated_sets_of_all_families() -> None:
    """Each claim of transform_claims holds, and every kind of trouble is among the sets that it was held against."""
    tally = run(EXAMPLES)
    expected = {*VALUES, *ENVELOPES, *ROW_KINDS}
    if sys.version_info >= (3, 12):
        # How deep JSON may nest does not depend on the stack there: what landing reads, the transform reads.
        expected -= {"unreadable page"}
    assert set() == expected - set(tally.kinds)
    assert EXAMPLES <= tally.examples
    assert 4 == len(tally.families)
    assert all(tally.counts[fate] for fate in ("clean", "rejected", "duplicates"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_row_that_generated_rows_are_spoilt_from_is_valid(family: str) -> None:
    """Before a field is spoilt, a generated row is a clean listing with every column that the adapter fills."""
    payload = valid_payload(family, 5)
    row = {"property": payload} if family == "zillow-working-api" else payload
    cleaned = clean_rows(row, source=family)
    assert [] == cleaned.rejects.to_pylist()
    (made,) = cleaned.listings.to_pylist()
    assert [] == [column for column in load_source(family).adapter.columns if made[column] is None]
