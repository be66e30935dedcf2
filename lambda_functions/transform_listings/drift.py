"""Knows how an API that changes is noticed: unknown fields, columns that nothing fills, times in another unit.

None of it stops the transform: raw keeps every field, `_SUCCESS.json` says what was seen, and the gates decide.
"""

from collections import Counter
from collections.abc import Mapping
from statistics import median

import arrow_pool  # noqa: F401
import pyarrow.compute as pc
from convert import MISSING, Converted, Rows, are_homes
from decode import PageReader
from plan import Plan, Rule

# Fewer listings than this may all lack a value that usually is there.
_LEAST_LISTINGS = 20
# What a plot of land may have none of, for it may lie where no street is; a small market may have nothing but plots.
_NOT_OF_PLOTS = ("bedrooms", "bathrooms", "living_area_sqft", "year_built", "street_address", "zipcode")
_MOST_FIELDS = 50
# Milliseconds. No listing API is older than 2000; of many listings half are older than three hours, although the
# newest ones of a large market, one page of them, may not be. Seconds in their place are a thousandth of that.
_YEAR_2000_MS = 946_684_800_000
_YOUNG_MS = 10_000_000
_LEAST_AGES = 200
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
        # What was sent as milliseconds, by column and rule.
        self._times: list[tuple[str, Rule, list[int]]] = [
            (name, rule, []) for name, rules in self._rules.items() for rule in rules if rule.conversion in _TIMES
        ]

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

    def see_times(self, rows: Rows) -> None:
        """Keeps what is sent as milliseconds."""
        for _, rule, seen in self._times:
            known = (value for value in rows.leaves[rule.path] if value is not None)
            seen += [value for value in known if not rule.is_unknown(value)]

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

    def impossible_columns(self) -> list[str]:
        """Columns of times none of which can be meant, in contract order: the API sends another unit now."""
        return list(dict.fromkeys(name for name, rule, seen in self._times if _TIMES[rule.conversion](seen)))

    def _sent(self, body: bytes, rule: Rule) -> bool:
        value = self._reader.value_at(body, rule.path)
        return value not in (None, "", {}) and not rule.is_unknown(value)


def _homes(made: Mapping[str, Converted]) -> int:
    """How many of the listings are not known to be plots."""
    homes: int = pc.sum(are_homes(made["home_type"].array)).as_py() or 0
    return homes


def _before_2000(moments: list[int]) -> bool:
    return len(moments) >= _LEAST_LISTINGS and max(moments) < _YEAR_2000_MS


def _all_young(ages: list[int]) -> bool:
    return len(ages) >= _LEAST_AGES and median(ages) < _YOUNG_MS


_TIMES = {"epoch_ms": _before_2000, "age_ms": _all_young, "days_of_ms": _all_young}
