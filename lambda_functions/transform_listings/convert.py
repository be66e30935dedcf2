"""Knows how values become columns: each conversion of the adapters, vectorised, with its verdict on each value.

Decimals are exact without a Decimal per value: a float is scaled to an integer of the column's last digit,
rounded half to even, and that integer's 128 bits are taken as the decimal's. The float product is off by less
than four parts in 2**53, which for 12 digits is under 0.0005 of the last one; so whatever lies within 0.001
of a tie, and whatever is longer than 12 digits, is computed again with Decimal from the number as it was sent.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import arrow_pool  # noqa: F401
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from addresses import take_apart
from plan import Column, Rule

_MS_PER_DAY = 86_400_000
# Further from 1970 than any year that a warehouse knows, and far enough from the ends of 64 bits to add to.
_FAR_MS = 4 * 10**15
_NEAR_A_TIE = 0.001
_TRUSTED_SCALED = 10**12

INVALID, OUT_OF_RANGE, TOO_LONG, MISSING, NOT_USD = "invalid", "out_of_range", "too_long", "missing", "not_usd"


class Verdicts(msgspec.Struct):
    """What is wrong with the values of one column: for each problem, a mask over the rows."""

    masks: list[tuple[str, pa.Array]] = []

    def add(self, problem: str, mask: pa.Array) -> pa.Array | None:
        """Notes the rows where the mask is true (null is not); gives the mask back if there are any."""
        if not pc.any(mask).as_py():
            return None
        mask = pc.fill_null(mask, False)
        self.masks.append((problem, mask))
        return mask

    def add_where(self, asked: pa.Array, others: "Verdicts") -> None:
        """Notes what others say of the rows where `asked` is true."""
        for problem, mask in others.masks:
            self.add(problem, pc.and_(mask, asked))


class Rows(msgspec.Struct, frozen=True):
    """The values of some rows: a list per leaf, and when each row's page was served, in microseconds.

    `addresses` keeps, by path, the addresses that were taken apart: four columns ask for their parts.
    """

    leaves: Mapping[str, Sequence[Any]]
    served_us: pa.Array
    addresses: dict[str, dict[str, pa.Array]] = {}

    def __len__(self) -> int:
        return len(self.served_us)


class Converted(msgspec.Struct, frozen=True):
    """One column: its array (null where a verdict is), its verdicts, and where a map did not know the value."""

    array: pa.Array
    verdicts: Verdicts
    unknown: pa.Array | None


def convert(column: Column, rows: Rows, homes: pa.Array | None = None) -> Converted:
    """The column's array for these rows, by the first of its rules that has a value; only that is judged.

    `homes` tells which rows are not known to be plots; rules with `null_of_homes` need it.
    """
    verdicts = Verdicts()
    unknown = None
    array = None
    for rule in column.rules:
        values = rows.leaves[rule.path]
        if rule.null_values:
            values = [None if rule.is_unknown(value) else value for value in values]
        if rule.null_of_homes:
            assert homes is not None
            pairs = zip(values, homes.to_pylist(), strict=True)
            values = [None if is_home and value in rule.null_of_homes else value for value, is_home in pairs]
        said = Verdicts()
        if rule.map is not None:
            made, unknown = _mapped(rule, pa.array(values, pa.string()))
        else:
            made = _CONVERSIONS[rule.conversion](values, column, rule, rows, said)
        if array is None:
            array, verdicts = made, said
        else:
            verdicts.add_where(pc.is_null(array), said)
            array = pc.coalesce(array, made)
    if array is None:
        array = pa.nulls(len(rows), arrow_type(column.arrow))
    if column.arrow == "bool":
        array = pc.fill_null(array, False)
    elif column.required and array.null_count:
        verdicts.add(MISSING, pc.is_null(array))
    return Converted(array, verdicts, unknown)


def are_homes(home_types: pa.Array) -> pa.Array:
    """Where a listing is not known to be a plot of land."""
    return pc.fill_null(pc.not_equal(home_types, "LOT"), True)


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type that the contract names."""
    if name.startswith("decimal128("):
        precision, scale = name.removeprefix("decimal128(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return _SIMPLE_TYPES[name]


def _number(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    return _decimals(pa.array(values, pa.float64()), None, column, verdicts)


def _money(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    """An amount in US dollars, also where no currency is said; one in another currency is none."""
    assert rule.unit_path is not None
    currencies = pc.utf8_upper(pc.utf8_trim_whitespace(pa.array(rows.leaves[rule.unit_path], pa.string())))
    foreign = verdicts.add(NOT_USD, pc.invert(pc.is_in(currencies, pa.array(["USD", "", None], pa.string()))))
    numbers = pa.array(values, pa.float64())
    return _decimals(numbers if foreign is None else _without(numbers, foreign), None, column, verdicts)


def _area(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    """Square feet, from a number in a unit that the adapter knows."""
    assert rule.units is not None
    assert rule.unit_path is not None
    numbers = pa.array(values, pa.float64())
    units = pc.utf8_lower(pc.utf8_trim_whitespace(pa.array(rows.leaves[rule.unit_path], pa.string())))
    known = pa.array([unit.lower() for unit in rule.units])
    factors = pa.array(rule.units.values(), pa.float64()).take(pc.index_in(units, known))
    strange = verdicts.add(INVALID, pc.and_(pc.is_valid(numbers), pc.is_null(factors)))
    return _decimals(numbers if strange is None else _without(numbers, strange), factors, column, verdicts)


def _decimals(numbers: pa.Array, factors: pa.Array | None, column: Column, verdicts: Verdicts) -> pa.Array:
    """Exact decimals of the column's scale; see the module's docstring for how."""
    if pc.all(pc.is_finite(numbers)).as_py() is False:
        strange = verdicts.add(INVALID, pc.invert(pc.is_finite(numbers)))
        numbers = _without(numbers, strange)
    amounts = numbers if factors is None else pc.multiply(numbers, factors)
    precision, scale = column.digits
    outside = _outside(amounts, column, verdicts, float)
    if outside is not None:
        numbers, amounts = _without(numbers, outside), _without(amounts, outside)
    scaled = pc.multiply(amounts, float(10**scale))
    whole = pc.round(scaled, round_mode="half_to_even")
    doubtful = pc.greater(pc.abs(pc.subtract(scaled, whole)), 0.5 - _NEAR_A_TIE)
    if max(map(abs, column.bounds)).scaleb(scale) > _TRUSTED_SCALED:
        doubtful = pc.or_(doubtful, pc.greater(pc.abs(scaled), _TRUSTED_SCALED))
    integers = whole.cast(pa.int64())
    if pc.any(doubtful).as_py():
        integers = _exactly(integers, doubtful, numbers, factors, scale)
    return integers.cast(pa.decimal128(19, 0)).view(pa.decimal128(precision, scale))


def _exactly(
    integers: pa.Array, doubtful: pa.Array, numbers: pa.Array, factors: pa.Array | None, scale: int
) -> pa.Array:
    """The integers, with the doubtful ones computed again from the shortest text of the number sent."""
    patched = integers.to_pylist()
    for index in pc.indices_nonzero(pc.fill_null(doubtful, False)).to_pylist():
        amount = Decimal(repr(numbers[index].as_py()))
        if factors is not None:
            amount *= Decimal(repr(factors[index].as_py()))
        patched[index] = int(amount.scaleb(scale).to_integral_value(ROUND_HALF_EVEN))
    return pa.array(patched, pa.int64())


def _integer(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    return _integers(pa.array(values, pa.int64()), column, verdicts)


def _days_of_ms(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    """Whole days of a duration; a negative one is no duration, and stays below zero."""
    durations = pa.array(values, pa.int64())
    days = pc.if_else(pc.less(durations, 0), -1, pc.divide(durations, _MS_PER_DAY))
    return _integers(days, column, verdicts)


def _integers(numbers: pa.Array, column: Column, verdicts: Verdicts) -> pa.Array:
    outside = _outside(numbers, column, verdicts, int)
    return (numbers if outside is None else _without(numbers, outside)).cast(arrow_type(column.arrow))


def _text(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    return _storable(pa.array(values, pa.string()), column, verdicts)


def _address_part(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    assert rule.part is not None
    if rule.path not in rows.addresses:
        rows.addresses[rule.path] = take_apart(pa.array(values, pa.string()))
    part = rows.addresses[rule.path][rule.part]
    unknown = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(part)), pa.array(rule.null_values, pa.string()))
    return _storable(_without(part, unknown), column, verdicts)


def _storable(texts: pa.Array, column: Column, verdicts: Verdicts) -> pa.Array:
    """The texts without blanks around them, where the column can hold them; an empty or blank one is no value."""
    texts = pc.utf8_trim_whitespace(texts)
    blank = pc.equal(texts, "")
    if pc.any(blank).as_py():
        texts = _without(texts, blank)
    # The warehouse's text holds every character but NUL.
    strange = verdicts.add(INVALID, pc.match_substring(texts, "\0"))
    long = verdicts.add(TOO_LONG, pc.greater(pc.binary_length(texts), column.length))
    for mask in (strange, long):
        texts = texts if mask is None else _without(texts, mask)
    return texts


def _mapped(rule: Rule, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The map's word for each text, and where it has none."""
    assert rule.map is not None
    words = pa.array(rule.map.values(), pa.string()).take(pc.index_in(texts, pa.array(rule.map)))
    unknown = pc.and_(pc.is_null(words), pc.not_equal(texts, ""))
    return pc.if_else(pc.fill_null(unknown, False), rule.unknown, words), unknown


def _flag(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    return pa.array(values, pa.bool_())


def _epoch_ms(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    return _times(pc.multiply(_near_ms(values, verdicts), 1000), column, verdicts)


def _age_ms(values: Sequence[Any], column: Column, rule: Rule, rows: Rows, verdicts: Verdicts) -> pa.Array:
    """The time that was so long before the page was served."""
    return _times(pc.subtract(rows.served_us, pc.multiply(_near_ms(values, verdicts), 1000)), column, verdicts)


def _near_ms(values: Sequence[Any], verdicts: Verdicts) -> pa.Array:
    numbers = pa.array(values, pa.int64())
    far = verdicts.add(OUT_OF_RANGE, pc.or_(pc.greater(numbers, _FAR_MS), pc.less(numbers, -_FAR_MS)))
    return numbers if far is None else _without(numbers, far)


def _times(microseconds: pa.Array, column: Column, verdicts: Verdicts) -> pa.Array:
    outside = _outside(microseconds, column, verdicts, None)
    kept = microseconds if outside is None else _without(microseconds, outside)
    return kept.cast(pa.timestamp("us", "UTC"))


def microseconds(text: str) -> int:
    """Microseconds since 1970 of an ISO time; one without a zone is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = moment - datetime.fromisoformat("1970-01-01T00:00:00" + ("+00:00" if moment.tzinfo else ""))
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _outside(
    numbers: pa.Array, column: Column, verdicts: Verdicts, kind: Callable[[Decimal], Any] | None
) -> pa.Array | None:
    """Where a number is beyond the column's bounds; None where none is, which one look at both ends tells."""
    if kind is None:
        assert column.minimum is not None
        assert column.maximum is not None
        least, most = microseconds(column.minimum), microseconds(column.maximum)
    else:
        least, most = (kind(bound) for bound in column.bounds)
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is None or (ends["min"] >= least and ends["max"] <= most):
        return None
    return verdicts.add(OUT_OF_RANGE, pc.or_(pc.less(numbers, least), pc.greater(numbers, most)))


def _without(array: pa.Array, mask: pa.Array) -> pa.Array:
    """The array with nulls where the mask is true."""
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, array.type), array)


_SIMPLE_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "date32[day]": pa.date32(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
}
_CONVERSIONS: Mapping[str, Callable[[Sequence[Any], Column, Rule, Rows, Verdicts], pa.Array]] = {
    "number": _number,
    "money": _money,
    "area": _area,
    "integer": _integer,
    "days_of_ms": _days_of_ms,
    "text": _text,
    "address_part": _address_part,
    "flag": _flag,
    "epoch_ms": _epoch_ms,
    "age_ms": _age_ms,
}
