"""Knows what is odd about a listing that breaks no rule: it is kept, and flagged so that it can be counted."""

from collections.abc import Mapping

import arrow_pool  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc
from convert import Converted, Rows, are_homes
from plan import Plan

# A house for sale at less than this is, in what was seen, a rent posted as a sale.
_LEAST_LIKELY_PRICE = 10_000
# Square feet in 1,000 acres. A home on more stands, in what was seen, on as many square feet: the unit is wrong.
_MOST_LIKELY_LOT = 43_560_000


def find_oddities(plan: Plan, rows: Rows, made: Mapping[str, Converted]) -> pa.Array:
    """Per row its flags, separated by commas in alphabetical order, or null."""
    homes = are_homes(made["home_type"].array)
    masks = {
        "huge_lot": pc.and_(homes, pc.greater(made["lot_area_sqft"].array, _MOST_LIKELY_LOT)),
        "no_coordinates": pc.or_(pc.is_null(made["latitude"].array), pc.is_null(made["longitude"].array)),
        "plot": pc.invert(homes),
        "price_zero": pc.equal(made["price"].array, 0),
        "rent_like_price": pc.and_(homes, _rent_like(made)),
    }
    for name, each in made.items():
        if each.unknown is not None:
            masks[f"{name}_unknown"] = each.unknown
    for flag, path in plan.flags.items():
        masks[flag] = pa.array([bool(value) for value in rows.leaves[path]], pa.bool_())
    found: list[str | None] = [None] * len(rows)
    for flag in sorted(masks):
        for index in pc.indices_nonzero(pc.fill_null(masks[flag], False)).to_pylist():
            before = found[index]
            found[index] = f"{before},{flag}" if before else flag
    return pa.array(found, pa.string())


def _rent_like(made: Mapping[str, Converted]) -> pa.Array:
    price = made["price"].array
    cheap = pc.and_(pc.greater(price, 0), pc.less(price, _LEAST_LIKELY_PRICE))
    return pc.and_(cheap, pc.equal(made["home_status"].array, "FOR_SALE"))
