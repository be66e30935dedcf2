"""Knows how an API that changes is noticed: fields that its adapter does not know, and columns that nothing fills.

Neither stops the transform: raw keeps every field, `_SUCCESS.json` says what was seen, and the gates decide.
"""

from collections import Counter
from collections.abc import Mapping

import arrow_pool  # noqa: F401
import pyarrow.compute as pc
from convert import MISSING, Converted
from decode import PageReader
from plan import Plan, Rule

# Fewer listings than this may all lack a value that usually is there.
_LEAST_LISTINGS = 20
# What a plot of land may have none of, for it may lie where no street is; a small market may have nothing but plots.
_NOT_OF_PLOTS = ("bedrooms", "bathrooms", "living_area_sqft", "year_built", "street_address", "zipcode")
_MOST_FIELDS = 50
# Fields that are counted before the commonest are chosen: ever new names must not fill the memory.
_MOST_COUNTED = 1000


class Watch:
    """Watches the listings of one set go by, and says at the end what is new and what is gone."""

    def __init__(self, plan: Plan, reader: PageReader) -> None:
        self._reader = reader
        self._fields: Counter[str] = Counter()
        # Columns that no listing filled so far, and how many listings might have.
        self._unfilled = {column.name: 0 for column in plan.payload if column.name in plan.expected}
        self._rules = {column.name: column.rules for column in plan.payload}

    def see_fields(self, unknown: Mapping[str, int]) -> None:
        """Counts the unknown fields of a page."""
        for path in sorted(unknown, key=lambda each: (-unknown[each], each)):
            if path in self._fields or len(self._fields) < _MOST_COUNTED:
                self._fields[path] += unknown[path]

    def see_columns(self, made: Mapping[str, Converted]) -> None:
        """Looks whether any of some typed listings, sound or not, fills a column."""
        for name in list(self._unfilled):
            array = made[name].array
            wrong = any(problem != MISSING for problem, _ in made[name].verdicts.masks)
            if wrong or array.null_count < len(array):
                del self._unfilled[name]
            else:
                self._unfilled[name] += _homes(made) if name in _NOT_OF_PLOTS else len(array)

    def see_untyped(self, body: bytes) -> None:
        """Looks what a listing that could not be typed fills: a value of the wrong type is a value."""
        for name in list(self._unfilled):
            if any(self._sent(body, rule) for rule in self._rules[name]):
                del self._unfilled[name]
            else:
                self._unfilled[name] += name not in _NOT_OF_PLOTS

    def unknown_fields(self) -> dict[str, int]:
        """Path -> listings that have the field, of the 50 commonest, in the order of the alphabet."""
        commonest = sorted(self._fields.items(), key=lambda each: (-each[1], each[0]))[:_MOST_FIELDS]
        return dict(sorted(commonest))

    def absent_columns(self) -> list[str]:
        """Expected columns that none of the listings fills, where there are enough of them, in contract order."""
        return [name for name, listings in self._unfilled.items() if listings >= _LEAST_LISTINGS]

    def _sent(self, body: bytes, rule: Rule) -> bool:
        value = self._reader.value_at(body, rule.path)
        return value not in (None, "", {}) and value not in rule.null_values


def _homes(made: Mapping[str, Converted]) -> int:
    """How many of the listings are not known to be plots."""
    homes: int = pc.sum(pc.fill_null(pc.not_equal(made["home_type"].array, "LOT"), True)).as_py() or 0
    return homes
