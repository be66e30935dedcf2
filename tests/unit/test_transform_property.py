"""Whatever a page holds, the transform accounts for every listing on it and does not fall over."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.transform_code import clean, cleaner

from parquet import to_parquet  # isort: skip

FAMILIES = {"zillow56": "results", "zillow-com4": "data"}

numbers = st.one_of(
    st.integers(-10, 10),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.005, 2.675, 1e9, 1e9 + 0.01, 180.0000004, 86_400_000, 2**63 - 1, -(2**63), 10**25]),
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["--", "$634,500", "12", " 7", "nan", "null", "", "\0", "acres", "sqft", "squareFeet", "LOT"]),
    st.sampled_from(["\ud800", "x" * 600, "é" * 300]),
)
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for path, value in values.items():
        *parents, name = path.split(".")
        inside = row
        for parent in parents:
            inside = inside.setdefault(parent, {})
        inside[name] = value
    return row


def rows_of(family: str) -> st.SearchStrategy[Any]:
    """Rows of a family: mostly objects whose values are plausible or odd, sometimes anything."""
    paths = sorted(cleaner(family).plan.leaves)
    price = "price" if family == "zillow56" else "price.value"
    plausible = st.fixed_dictionaries(
        {"zpid": st.integers(1, 5), price: st.integers(0, 2_000_000)},
        optional={path: junk for path in paths if path not in ("zpid", price)},
    )
    odd = st.dictionaries(st.sampled_from(paths), junk, max_size=8)
    return st.one_of(plausible.map(_nested), odd.map(_nested), st.dictionaries(texts, junk, max_size=3), junk)


@st.composite
def sets(draw: st.DrawFn) -> tuple[str, list[tuple[bytes, int]]]:
    """A family and up to three pages with the listings counted on each; some pages are cut or scribbled on."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    pages = []
    for rows in draw(st.lists(st.lists(rows_of(family), max_size=6), min_size=1, max_size=3)):
        page = json.dumps({FAMILIES[family]: rows, "note": draw(junk)}).encode()
        if draw(st.integers(0, 4)) == 0:
            cut = draw(st.integers(0, len(page) - 1))
            page = page[:cut] + draw(st.binary(max_size=3)) + page[draw(st.integers(cut, len(page))) :]
        pages.append((page, _listings(page, FAMILIES[family], len(rows))))
    return family, pages


def _listings(page: bytes, key: str, otherwise: int) -> int:
    """Rows that the standard library counts at its most lenient; where it cannot, as many as were written."""
    try:
        rows = json.loads(page.decode("utf-8", "replace"), strict=False)[key]
    except (ValueError, LookupError, TypeError):
        return otherwise
    return len(rows) if isinstance(rows, list) else otherwise


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sets())
def test_every_listing_is_accounted_for(given_set: tuple[str, list[tuple[bytes, int]]]) -> None:
    """landed = clean + rejected + duplicates + unreadable, each reject has a reason, and both files can be written."""
    family, pages = given_set
    cleaned = clean(*pages, source=family)
    counts = cleaned.counts
    parts = counts["clean"] + counts["rejected"] + counts["duplicates"] + counts["unreadable"]
    assert sum(listings for _, listings in pages) == counts["landed"] == parts
    assert counts["clean"] == len(cleaned.listings) == len(set(cleaned.listings["zpid"].to_pylist()))
    assert counts["rejected"] + cleaned.pages_unreadable == len(cleaned.rejects)
    assert all(cleaned.rejects["reason"].to_pylist())
    for table in (cleaned.listings, cleaned.rejects):
        table.validate(full=True)
        assert to_parquet(table)
