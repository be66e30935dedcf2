"""What must hold of the transform for any set of pages, and a run that holds it against generated ones."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cache, partial
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, seed, settings

from include.contract.families import load_source
from include.contract.listing import load_contract
from tests.support.contract_check import violations
from tests.support.generated_pages import FAMILIES, GeneratedSet, generated_sets
from tests.support.raw_pages import is_no_listing, is_zpid, payload_of, raw_rows, with_an_empty_stack
from tests.support.transform_code import PREFIX, clean

from parquet import to_parquet  # isort: skip
from transform import Cleaned  # isort: skip

Place = tuple[str, int]  # the key of a page, and the position of a row on it


@dataclass
class Tally:
    """What a run came through: examples, and rows, by what became of them; examples per kind of trouble."""

    examples: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, made: GeneratedSet, raw: dict[str, list[Any]], cleaned: Cleaned) -> None:
        """Counts one example."""
        self.examples += 1
        self.families[made.family] += 1
        self.counts.update(cleaned.counts)
        self.reasons.update(cleaned.rejects_by_reason)
        reached = Counter(made.kinds)
        reached["unreadable page"] = cleaned.pages_unreadable
        on_page = [[_shown_zpid(row, made.family) for row in rows] for rows in raw.values()]
        reached["zpid twice on a page"] = sum(len(each) - len(set(each)) for each in on_page)
        reached["zpid on two pages"] = sum(map(len, map(set, on_page))) - len(set().union(*on_page))
        self.kinds.update(kind for kind, times in reached.items() if times)

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def run(examples: int, number: int, families: Sequence[str] = FAMILIES) -> Tally:
    """Holds every claim against so many generated sets; the first that fails is made small and raised.

    `number` is the seed: the same sets again for the same number.
    """
    tally = Tally()

    @seed(number)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(generated_sets(families))
    def all_claims_hold(made: GeneratedSet) -> None:
        raw = {
            f"{PREFIX}page-{number:04d}.json": raw_rows(page, made.family)
            for number, (page, _) in enumerate(made.pages, 1)
        }
        cleaned = clean(*made.pages, source=made.family)
        landing_counts_as_the_reader_does(made)
        every_listing_is_counted(raw, cleaned)
        every_row_has_one_fate(raw, cleaned, made.family)
        every_clean_row_keeps_the_contract(cleaned)
        every_reject_says_why_and_where(raw, cleaned)
        every_clean_row_points_at_its_raw_row(raw, cleaned, made.family)
        an_address_in_one_text_loses_nothing(raw, cleaned, made.family)
        both_files_can_be_written(cleaned)
        tally.add(made, raw, cleaned)

    all_claims_hold()
    return tally


def landing_counts_as_the_reader_does(made: GeneratedSet) -> None:
    """The extract side counts the rows that the standard library counts."""
    source = load_source(made.family)
    for page, rows in made.pages:
        assert rows == with_an_empty_stack(partial(source.read_page, page)).listings


def every_listing_is_counted(raw: dict[str, list[Any]], cleaned: Cleaned) -> None:
    """Rows in the raw pages = clean + rejected + duplicates + no listings + those on unreadable pages."""
    unreadable = _unreadable(cleaned)
    assert {
        "landed": sum(map(len, raw.values())),
        "clean": len(cleaned.listings),
        "rejected": len(cleaned.rejects) - len(unreadable),
        "duplicates": cleaned.counts["duplicates"],
        "not_listings": cleaned.counts["not_listings"],
        "unreadable": sum(len(raw[key]) for key in unreadable),
    } == dict(cleaned.counts)
    assert len(unreadable) == cleaned.pages_unreadable
    assert cleaned.counts["landed"] == sum(cleaned.counts.values()) - cleaned.counts["landed"]


def every_row_has_one_fate(raw: dict[str, list[Any]], cleaned: Cleaned, family: str) -> None:
    """A raw row is clean, rejected or no listing, once; else a later one has its zpid, or its page is unreadable."""
    clean_at = dict(zip(_places(cleaned.listings), cleaned.listings["zpid"].to_pylist(), strict=True))
    rejected = [place for place in _places(cleaned.rejects) if place[1] is not None]
    assert len(set(rejected)) == len(rejected)
    assert not clean_at.keys() & set(rejected)
    everywhere = {(key, position) for key, rows in raw.items() for position in range(len(rows))}
    readable = {place for place in everywhere if place[0] not in _unreadable(cleaned)}
    none = {place for place in readable if is_no_listing(raw[place[0]][place[1]], family)}
    assert not none & {*clean_at, *rejected}
    assert bool(none) <= cleaned.counts["not_listings"] <= len(none)
    superseded = readable - clean_at.keys() - set(rejected) - none
    assert cleaned.counts["duplicates"] == len(superseded) + len(none) - cleaned.counts["not_listings"]
    for place in superseded:
        sent = payload_of(raw[place[0]][place[1]], family)["zpid"]
        assert [True] == [later > place for later, zpid in clean_at.items() if is_zpid(sent, zpid)]


def every_clean_row_keeps_the_contract(cleaned: Cleaned) -> None:
    """Types, ranges, lengths and required columns are the contract's, and no zpid stands twice."""
    assert [] == violations(load_contract().listing, cleaned.listings.to_pylist())
    assert len(cleaned.listings) == len(set(cleaned.listings["zpid"].to_pylist()))


def every_reject_says_why_and_where(raw: dict[str, list[Any]], cleaned: Cleaned) -> None:
    """A reject has a reason, a sentence, the page that it came from, a row of that page, and that row's text."""
    rejects = cleaned.rejects.to_pylist()
    assert [] == violations(load_contract().reject, rejects)
    for reject in rejects:
        assert reject["reason"].strip()
        assert reject["detail"].strip()
        assert reject["body"].strip()
        assert reject["raw_position"] is None or 0 <= reject["raw_position"] < len(raw[reject["raw_key"]])


def every_clean_row_points_at_its_raw_row(raw: dict[str, list[Any]], cleaned: Cleaned, family: str) -> None:
    """At raw_key and raw_position stands the row with that zpid, in any spelling of the number."""
    for (key, position), zpid in zip(_places(cleaned.listings), cleaned.listings["zpid"].to_pylist(), strict=True):
        assert is_zpid(payload_of(raw[key][position], family)["zpid"], zpid)


def an_address_in_one_text_loses_nothing(raw: dict[str, list[Any]], cleaned: Cleaned, family: str) -> None:
    """Every letter, digit and sign of an address but commas and blanks is in one of its parts, in the same order."""
    if family != "zillow-com1":
        return
    for row in cleaned.listings.to_pylist():
        sent = raw[row["raw_key"]][row["raw_position"]].get("address") or ""
        parts = "".join(row[part] or "" for part in ("street_address", "city", "state", "zipcode"))
        assert _without_separators(sent) == _without_separators(parts)


def both_files_can_be_written(cleaned: Cleaned) -> None:
    """Listings and rejects are sound Arrow tables with the contract's schema, and Parquet takes them."""
    for name, table in (("listing", cleaned.listings), ("reject", cleaned.rejects)):
        table.validate(full=True)
        assert _schema(name) == table.schema
        assert to_parquet(table)


@cache
def _schema(table: str) -> pa.Schema:
    return load_contract().arrow_schema(table)


def _places(table: pa.Table) -> list[Place]:
    return list(zip(table["raw_key"].to_pylist(), table["raw_position"].to_pylist(), strict=True))


def _unreadable(cleaned: Cleaned) -> list[str]:
    return [key for key, position in _places(cleaned.rejects) if position is None]


def _without_separators(text: str) -> str:
    return "".join(sign for sign in text if sign != "," and unicodedata.category(sign)[0] != "Z" and not sign.isspace())


def _shown_zpid(row: Any, family: str) -> str:
    payload = payload_of(row, family)
    return str(payload.get("zpid")) if isinstance(payload, dict) else "none"
