"""Knows how a row that broke the contract is kept: a reason to count by, a sentence to read, and the row itself."""

import re
from collections.abc import Mapping
from typing import Any

from convert import INVALID, MISSING, NOT_USD, OUT_OF_RANGE
from decode import Fault, PageReader, shown
from plan import Column, Plan

_NUMBER = re.compile(r"0*([0-9]{1,19})(?:\.0*)?")
PAGE_UNREADABLE = "page_unreadable"
ROW_INVALID = "row_invalid"

Reject = dict[str, Any]


class Rejects:
    """Makes the reject rows of one family; each holds what the columns of the contract's reject table name."""

    def __init__(self, plan: Plan, reader: PageReader) -> None:
        self._reader = reader
        self._columns = {column.name: column for column in plan.payload}
        self._limits = {column.name: column.length for column in plan.reject if column.length}

    def of_page(self, raw_key: str, body: bytes, problem: str) -> Reject:
        """One row for a page that nothing could read."""
        return self._row(raw_key, None, None, PAGE_UNREADABLE, problem, body)

    def of_fault(self, raw_key: str, body: bytes, fault: Fault) -> Reject:
        """A row with a value of the wrong type, or that is no listing at all."""
        if fault.column is None:
            return self._row(raw_key, fault.position, body, ROW_INVALID, fault.problem, body)
        reason = f"{fault.column}_{INVALID}"
        return self._row(raw_key, fault.position, body, reason, f"{fault.column}: {fault.problem}", body)

    def of_verdict(self, raw_key: str, position: int, body: bytes, name: str, problem: str) -> Reject:
        """A row whose value has the right type and still breaks the contract."""
        column = self._columns[name]
        detail = f"{name}: {self._sent(body, column, problem)}, expected {_expected(column, problem)}"
        return self._row(raw_key, position, body, f"{name}_{problem}", detail, body)

    def _sent(self, body: bytes, column: Column, problem: str) -> str:
        # A currency is to blame for nothing else.
        whole = problem == NOT_USD
        paths = [path for rule in column.rules for path, _ in rule.reads[: 2 if whole or rule.units else 1]]
        return " and ".join(f"{path} is {shown(self._reader.value_at(body, path))}" for path in paths)

    def _row(
        self, raw_key: str, position: int | None, zpid_in: bytes | None, reason: str, detail: str, body: bytes
    ) -> Reject:
        return {
            "raw_key": raw_key,
            "raw_position": position,
            "zpid": self._cut("zpid", None if zpid_in is None else self.zpid(zpid_in)),
            "reason": self._cut("reason", reason),
            "detail": self._cut("detail", detail),
            "body": self._cut("body", body.decode("utf-8", "replace")),
        }

    def zpid(self, body: bytes) -> str | None:
        """What a row has for a zpid, also where that is none; None where it has nothing."""
        value = self._reader.value_at(body, self._columns["zpid"].rules[0].path)
        return None if value is None else _canonical(value)

    def _cut(self, column: str, text: str | None) -> str | None:
        """As much of a text as its column holds, in bytes, without what the warehouse cannot store."""
        if text is None:
            return None
        whole = text.replace("\0", "").encode("utf-8", "replace")
        return whole[: self._limits[column]].decode("utf-8", "ignore")


def _canonical(value: Any) -> str:
    """The zpid as a clean listing has it, however it was sent (100.0, "0100"): else no day would find the other."""
    text = value if isinstance(value, str) else shown(value)
    number = _NUMBER.fullmatch(text.strip())
    return number[1] if number else text


def _expected(column: Column, problem: str) -> str:
    unit = f" {column.unit}" if column.unit else ""
    if problem == MISSING:
        return "a value: the contract requires one"
    if problem == NOT_USD:
        return "US dollars (USD), or no currency"
    if problem == OUT_OF_RANGE and column.arrow.startswith("timestamp"):
        return f"a time from {column.minimum} to {column.maximum}"
    if problem == OUT_OF_RANGE:
        least, most = column.bounds
        return f"{least:f} to {most:f}{unit}"
    if column.length:
        return f"a text of at most {column.length} bytes without NUL characters"
    units: Mapping[str, float] = next((rule.units for rule in column.rules if rule.units), {})
    return f"a finite number{unit}" + (f" in {' or '.join(units)}" if units else "")
