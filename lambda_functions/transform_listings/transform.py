"""Knows what becomes of the pages of one set: clean listings, rejects with reasons, and the counts of all rows.

Pure: bytes and a manifest in, Arrow tables out, the same for the same input. For every set
landed = clean + rejected + duplicates + not_listings + unreadable, or a `SetError` says which page does not add up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import arrow_pool  # noqa: F401
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from convert import Converted, Rows, are_homes, arrow_type, convert, microseconds
from decode import Decoded, PageReader, Unreadable
from drift import Watch
from oddities import find_oddities
from plan import Plan
from rejects import Reject, Rejects

# Rows, or bytes of pages, that are held as Python values before they are turned into columns.
_CHUNK_ROWS = 2048
_CHUNK_BYTES = 16 * 2**20
# What bounds the memory that a set may need, whatever its pages hold: rows of a page, of which no family sends more
# than some hundreds, and bytes of rejected rows that are kept whole, the others by their beginning.
MOST_ROWS = 10_000
_WHOLE_BODIES_BYTES = 64 * 2**20
_BEGINNING = 200
_DAY_US = 86_400 * 10**6
_NEVER_SET_US, _NEVER_COMES_US = 946_684_800 * 10**6, 4_102_444_800 * 10**6  # 2000-01-01, 2100-01-01

Manifest = Mapping[str, Any]
PageEntry = Mapping[str, Any]


class SetError(RuntimeError):
    """The pages are not what the manifest says; nothing of the set may be published."""


class Cleaned(msgspec.Struct, frozen=True):
    """A clean set. `counts` has landed, clean, rejected, duplicates, not_listings, unreadable; the last in listings.

    Rows that the adapter names as no listings, as buildings, count once each: when they come again, as duplicates.
    """

    listings: pa.Table
    rejects: pa.Table
    counts: Mapping[str, int]
    pages_unreadable: int
    rejects_by_reason: Mapping[str, int]
    oddities: Mapping[str, int]
    unknown_fields: Mapping[str, int]
    absent_columns: Sequence[str]
    impossible_columns: Sequence[str]


class _Page(msgspec.Struct, frozen=True):
    raw_key: str
    body: bytes
    served_us: int
    decoded: Decoded


class Cleaner:
    """Cleans sets of one family. Make it once: it holds compiled decoders and no state of a set."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._reader = PageReader(plan)
        self._rejects = Rejects(plan, self._reader)

    def clean(self, manifest: Manifest, pages: Iterable[tuple[PageEntry, bytes]], prefix: str) -> Cleaned:
        """Cleans a set.

        `pages` gives each page's entry of the manifest with its verified bytes, in order; it is read once,
        so that it may fetch as it goes. `prefix` is the set's folder in raw, for lineage. Raises SetError
        where a readable page holds another number of listings than the manifest counted at landing.
        """
        constants = _constants(manifest)
        is_overridden = manifest.get("date_override") is not None
        watch = Watch(self.plan, self._reader)
        tables: list[pa.Table] = []
        rejects = _Rejected(self.plan, constants)
        unreadable: list[int] = []
        not_listings: list[str | bytes] = []
        chunk: list[_Page] = []
        rows = size = 0
        for entry, body in pages:
            raw_key = prefix + entry["name"]
            try:
                if entry["listings"] > MOST_ROWS:
                    raise Unreadable(f"the page has {entry['listings']} rows, and one may have {MOST_ROWS}")
                decoded = self._reader.read(body)
            except Unreadable as fault:
                rejects.append(self._rejects.of_page(raw_key, body, str(fault)))
                unreadable.append(entry["listings"])
                continue
            if decoded.count != entry["listings"]:
                raise SetError(f"{raw_key} holds {decoded.count} listings; its manifest says {entry['listings']}")
            watch.see_fields(decoded.unknown)
            not_listings += [self._rejects.zpid(each) or each for each in decoded.not_listings]
            chunk.append(_Page(raw_key, body, _served_us(entry, is_overridden), decoded))
            rows += decoded.count
            size += len(body)
            if rows >= _CHUNK_ROWS or size >= _CHUNK_BYTES:
                tables.append(self._clean_chunk(chunk, constants, rejects, watch))
                chunk, rows, size = [], 0, 0
        tables.append(self._clean_chunk(chunk, constants, rejects, watch))
        return self._assemble(manifest, tables, rejects, unreadable, not_listings, constants, watch)

    def _clean_chunk(
        self, chunk: list[_Page], constants: Mapping[str, pa.Scalar], rejects: "_Rejected", watch: Watch
    ) -> pa.Table:
        rows, origin = self._gather(chunk)
        home_type = self.plan.home_type
        first = {home_type.name: convert(home_type, rows)}
        homes = are_homes(first[home_type.name].array)
        made = {column.name: first.get(column.name) or convert(column, rows, homes) for column in self.plan.payload}
        watch.see_columns(made)
        watch.see_times(rows)
        problems = _first_problems(made)
        problems_by_page: defaultdict[int, list[int]] = defaultdict(list)
        for index in problems:
            problems_by_page[origin["page"][index].as_py()].append(index)
        for number, page in enumerate(chunk):
            if not (page.decoded.faults or problems_by_page[number]):
                continue
            bodies = self._reader.bodies(page.body)  # cut once, however many of its rows are bad
            for index in problems_by_page[number]:
                position = origin["raw_position"][index].as_py()
                rejects.append(self._rejects.of_verdict(page.raw_key, position, bodies[position], *problems[index]))
            for fault in page.decoded.faults:
                watch.see_untyped(bodies[fault.position])
                rejects.append(self._rejects.of_fault(page.raw_key, bodies[fault.position], fault))
        rejects.pack()
        arrays = {name: each.array for name, each in made.items()}
        arrays["oddities"] = find_oddities(self.plan, rows, made)
        arrays["raw_key"] = pa.array([page.raw_key for page in chunk], pa.string()).take(origin["page"])
        arrays["raw_position"] = origin["raw_position"]
        table = _table(self.plan.listing, arrays, constants, len(rows))
        if not problems:
            return table
        keep = [True] * len(rows)
        for index in problems:
            keep[index] = False
        return table.filter(pa.array(keep))

    def _gather(self, chunk: list[_Page]) -> tuple[Rows, Mapping[str, pa.Array]]:
        leaves = self._reader.gather([row for page in chunk for row in page.decoded.rows])
        page_numbers: list[int] = []
        positions: list[int] = []
        for number, page in enumerate(chunk):
            page_numbers += [number] * len(page.decoded.rows)
            positions += page.decoded.positions
        of_page = pa.array(page_numbers, pa.int32())
        served = pa.array([page.served_us for page in chunk], pa.int64()).take(of_page)
        return Rows(leaves, served), {"page": of_page, "raw_position": pa.array(positions, pa.int32())}

    def _assemble(
        self,
        manifest: Manifest,
        tables: list[pa.Table],
        rejects: "_Rejected",
        unreadable: list[int],
        not_listings: list[str | bytes],
        constants: Mapping[str, pa.Scalar],
        watch: Watch,
    ) -> Cleaned:
        valid = pa.concat_tables(tables)
        listings = _last_of_duplicates(valid)
        rejected = rejects.in_order()
        counts = {
            "landed": manifest["listings"],
            "clean": len(listings),
            "rejected": len(rejected) - len(unreadable),
            "duplicates": len(valid) - len(listings) + len(not_listings) - len(set(not_listings)),
            "not_listings": len(set(not_listings)),
            "unreadable": sum(unreadable),
        }
        if counts["landed"] != sum(counts.values()) - counts["landed"]:
            raise SetError(f"the set does not add up: {counts}")
        return Cleaned(
            listings=listings,
            rejects=rejected,
            counts=counts,
            pages_unreadable=len(unreadable),
            rejects_by_reason=_sorted(Counter(rejected["reason"].to_pylist())),
            oddities=_sorted(Counter(",".join(listings["oddities"].drop_null().to_pylist()).split(","))),
            unknown_fields=watch.unknown_fields(),
            absent_columns=watch.absent_columns(),
            impossible_columns=watch.impossible_columns(),
        )


class _Rejected:
    """The rejects of a set, packed into columns chunk by chunk: rows of Python would take many times as much."""

    def __init__(self, plan: Plan, constants: Mapping[str, pa.Scalar]) -> None:
        self._columns, self._constants = plan.reject, constants
        self._rows: list[Reject] = []
        self._tables: list[pa.Table] = []
        self._room = _WHOLE_BODIES_BYTES

    def append(self, row: Reject) -> None:
        """Takes one more."""
        self._rows.append(row)

    def pack(self) -> None:
        """Turns the rows taken since into columns; bodies beyond the room for whole ones keep their beginning."""
        arrays = {
            column.name: pa.array([each[column.name] for each in self._rows], arrow_type(column.arrow))
            for column in self._columns
            if column.origin != "set"
        }
        if self._room < 0:
            arrays["body"] = pc.utf8_slice_codeunits(arrays["body"], 0, _BEGINNING)
        self._room -= arrays["body"].nbytes
        self._tables.append(_table(self._columns, arrays, self._constants, len(self._rows)))
        self._rows = []

    def in_order(self) -> pa.Table:
        """All of them by page and position; a page as a whole comes before its rows."""
        self.pack()
        table = pa.concat_tables(self._tables)
        places = {"page": table["raw_key"], "row": pc.fill_null(table["raw_position"], -1)}
        return table.take(pc.sort_indices(pa.table(places), [("page", "ascending"), ("row", "ascending")]))


def _constants(manifest: Manifest) -> dict[str, pa.Scalar]:
    """What is the same for every row of the set."""
    return {
        "source": pa.scalar(manifest["source"]),
        "market": pa.scalar(manifest["market"]),
        "snapshot_date": pa.scalar(date.fromisoformat(manifest["date"])),
        "extract_id": pa.scalar(manifest["extract_id"]),
        "observed_at": pa.scalar(microseconds(manifest["observed_at"]), pa.int64()).cast(pa.timestamp("us", "UTC")),
    }


def _served_us(entry: PageEntry, is_overridden: bool) -> int:
    """When the page was served: by the server's clock where it can be meant, else by ours.

    It is within a day of ours, but where a person gave a reason for another date: then it only was set at all.
    """
    received = microseconds(entry["received_at"])
    served = microseconds(entry["served_at"] or entry["received_at"])
    was_set = is_overridden and _NEVER_SET_US <= served <= _NEVER_COMES_US
    return served if was_set or abs(served - received) <= _DAY_US else received


def _first_problems(made: Mapping[str, Converted]) -> dict[int, tuple[str, str]]:
    """Per bad row, the first column in contract order that is wrong, and how."""
    first: dict[int, tuple[str, str]] = {}
    for name, each in made.items():
        for problem, mask in each.verdicts.masks:
            for index in pc.indices_nonzero(mask).to_pylist():
                first.setdefault(index, (name, problem))
    return first


def _table(
    columns: Iterable[Any], arrays: Mapping[str, pa.Array], constants: Mapping[str, pa.Scalar], rows: int
) -> pa.Table:
    """The columns in contract order, under the contract's types."""
    schema = pa.schema([pa.field(c.name, arrow_type(c.arrow), nullable=not c.required) for c in columns])
    filled = [arrays[n] if n in arrays else pa.repeat(constants[n], rows) for n in schema.names]
    return pa.Table.from_arrays([each.cast(t) for each, t in zip(filled, schema.types, strict=True)], schema=schema)


def _last_of_duplicates(table: pa.Table) -> pa.Table:
    """Of rows with the same zpid, the last in page order; the others go."""
    zpids = table["zpid"].to_pylist()
    last = {zpid: index for index, zpid in enumerate(zpids)}
    if len(last) == len(zpids):
        return table
    return table.filter(pa.array([last[zpid] == index for index, zpid in enumerate(zpids)]))


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if name}
