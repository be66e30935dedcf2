"""Whatever a page holds, the transform accounts for every listing on it and does not fall over."""

import sys
from functools import cache

import pytest

from include.contract.families import load_source
from tests.support.generated_pages import ENVELOPES, FAMILIES, ROW_KINDS, VALUES, valid_payload
from tests.support.transform_claims import Tally, run
from tests.support.transform_code import clean_rows

# Of each family, the same ones each time; `make fuzz` makes 20,000 others.
EXAMPLES, SEED = 125, 20261122


@cache
def tally_of(family: str) -> Tally:
    """What the sets of a family came through."""
    return run(EXAMPLES, SEED, (family,))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_claims_hold_for_generated_sets(family: str) -> None:
    """Each claim of transform_claims holds for every set, and rows of every fate were among them."""
    tally = tally_of(family)
    assert EXAMPLES <= tally.examples
    assert all(tally.counts[fate] for fate in ("clean", "rejected", "duplicates"))
    assert (family in ("zillow-com1", "zillow-working-api")) == bool(tally.counts["not_listings"])


def test_the_generated_sets_reach_every_kind_of_trouble() -> None:
    """Each kind that the generator knows was in some of the sets that the claims were held against."""
    tally = sum(map(tally_of, FAMILIES), Tally())
    expected = {*VALUES, *ENVELOPES, *ROW_KINDS}
    if sys.version_info >= (3, 12):
        # How deep JSON may nest does not depend on the stack there: what landing reads, the transform reads.
        expected -= {"unreadable page"}
    assert set() == expected - set(tally.kinds)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_row_that_generated_rows_are_spoilt_from_is_valid(family: str) -> None:
    """Before a field is spoilt, a generated row is a clean listing with every column that the adapter fills."""
    payload = valid_payload(family, 5)
    row = {"property": payload} if family == "zillow-working-api" else payload
    cleaned = clean_rows(row, source=family)
    assert [] == cleaned.rejects.to_pylist()
    (made,) = cleaned.listings.to_pylist()
    assert [] == [column for column in load_source(family).adapter.columns if made[column] is None]
