"""Where every listing went: counted on the pages as they lie in S3, and in the warehouse, and held side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
from rich import box
from rich.console import Console
from rich.table import Table

from local.commands.clients import aws_client, loader_connection
from local.listing_api.families import FAMILIES
from local.stack import Stack

# Headings of the counts, and what stands under them.
COUNTS = {
    "listings": "on_pages",
    "clean": "clean",
    "rejected": "rejected",
    "repeated": "duplicates",
    "buildings": "not_listings",
    "unreadable": "unreadable",
    "loaded": "warehouse",
}
# Columns in which a set has three reasons in its line; in fewer each has its own.
ONE_LINE = 146
_SET = "where source = %s and market = %s and snapshot_date = %s and extract_id = %s"
AUDIT = (
    "select clean, duplicates, not_listings, unreadable, superseded + withdrawn, superseded_by "  # noqa: S608 - constants
    f"from core.load_audit {_SET} and status = 'loaded' order by load_number desc"
)
REASONS = f"select reason, count(*) from core.listing_rejects {_SET} group by reason"  # noqa: S608
KEPT = f"select count(*) from core.listing_snapshots {_SET}"  # noqa: S608
# A day of a market that was extracted again is reported by the set that holds it now, if any does.
HOLDERS = """
select loaded.source, loaded.market, loaded.snapshot_date, loaded.extract_id, holders.set_id
from core.load_audit as loaded
left join core.load_audit as holders
    on loaded.source = holders.source and loaded.market = holders.market
    and loaded.snapshot_date = holders.snapshot_date and holders.verdict = 'holds'
where loaded.status = 'loaded'
"""


@dataclass(frozen=True)
class Line:
    """The account of one set; counts are of listings but for `pages` and `filled`, the pages that carry any.

    `on_pages` is counted on the pages in the landing bucket, `warehouse` and `reasons` in the tables of `core`;
    clean, duplicates, not_listings and unreadable are what the transform stated, as the audit has it. `superseded`
    listings are not in the warehouse because the set `superseded_by` holds the market's day, or a person withdrew
    theirs. `not_listings` are buildings and groups of units.
    """

    date: str
    market: str
    pages: int
    filled: int
    pages_claimed: int | None
    on_pages: int
    clean: int
    duplicates: int
    unreadable: int
    warehouse: int
    not_listings: int = 0
    superseded: int = 0
    superseded_by: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Listings rejected one by one; a page that cannot be read counts under `unreadable`."""
        return sum(count for reason, count in self.reasons.items() if reason != "page_unreadable")

    def differences(self) -> list[str]:
        """What does not add up, a sentence each; empty when every listing is accounted for."""
        found = []
        accounted = self.clean + self.rejected + self.duplicates + self.not_listings + self.unreadable
        if self.on_pages != accounted:
            found.append(
                f"{self.market} {self.date}: {self.on_pages} listings on the pages, but clean {self.clean} + rejected "
                f"{self.rejected} + duplicates {self.duplicates} + buildings {self.not_listings} + unreadable "
                f"{self.unreadable} = {accounted}"
            )
        if self.warehouse + self.superseded != self.clean:
            found.append(
                f"{self.market} {self.date}: {self.clean} clean, but {self.warehouse} in the warehouse"
                + (f" and {self.superseded} superseded" if self.superseded_by else "")
            )
        return found


class Books:
    """The books of one stack: its buckets and its warehouse."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._bucket = stack.env()["LISTINGS_LANDING_BUCKET"]
        self._clean = stack.env()["LISTINGS_CLEAN_BUCKET"]
        self._s3 = aws_client(stack, "s3")
        self._ids: dict[tuple[str, ...], set[str]] = {}

    def loaded(self, runs: Sequence[str]) -> int:
        """How many sets of these extractions the warehouse has taken."""
        ids = self._extracts(runs)
        try:
            rows = self._query(HOLDERS)
        except psycopg.errors.UndefinedTable:
            return 0
        return len({tuple(row[:4]) for row in rows if row[3] in ids})

    def reported(self, runs: Sequence[str]) -> int:
        """Of how many sets of these extractions the newest report has the day; 0 while it lags behind the marts."""
        ids = self._extracts(runs)
        try:
            built = self._query("select set_id, (select max(build_number) from marts.builds) from marts.coverage")
            published = json.loads(self._report("latest.json"))["build_number"]
            holders = self._query(HOLDERS)
        except (psycopg.errors.UndefinedTable, self._s3.exceptions.NoSuchKey):
            return 0
        told = {set_id for set_id, number in built if number == published}
        return len({tuple(key) for *key, holder in holders if key[3] in ids and (holder in told or not holder)})

    def latest_report(self) -> bytes:
        """The newest report, an HTML file that opens by itself."""
        return self._report("latest.html")

    def _report(self, name: str) -> bytes:
        body = self._s3.get_object(Bucket=self._clean, Key=f"reports/{name}")["Body"].read()
        assert isinstance(body, bytes)
        return body

    def lines(self, runs: Sequence[str]) -> list[Line]:
        """An account per market and date of these extractions."""
        manifests = sorted(self._manifests(runs), key=lambda manifest: (manifest["date"], manifest["market"]))
        return [self._line(manifest) for manifest in manifests]

    def _line(self, manifest: dict[str, Any]) -> Line:
        key = (manifest["source"], manifest["market"], manifest["date"], manifest["extract_id"])
        clean, duplicates, not_listings, unreadable, superseded, superseded_by = self._query(AUDIT, key)[0]
        [[kept]] = self._query(KEPT, key)
        on_pages = [self._count(manifest, page["name"]) for page in manifest["pages"]]
        return Line(
            date=manifest["date"],
            market=manifest["market"],
            pages=len(on_pages),
            filled=sum(count > 0 for count in on_pages),
            pages_claimed=manifest["pages_claimed"],
            on_pages=sum(on_pages),
            clean=clean,
            duplicates=duplicates,
            not_listings=not_listings,
            unreadable=unreadable,
            warehouse=kept,
            superseded=superseded,
            superseded_by=superseded_by,
            reasons=dict(self._query(REASONS, key)),
        )

    def _count(self, manifest: dict[str, Any], name: str) -> int:
        page = json.loads(self._read(f"{manifest['prefix']}{name}"))
        return len(FAMILIES[manifest["source"]].listings_in(page) or [])

    def _extracts(self, runs: Sequence[str]) -> set[str]:
        """The ids of these extractions, which have ended: read once, not at every look."""
        known = self._ids.get(tuple(runs))
        if known is None:
            known = self._ids[tuple(runs)] = {manifest["extract_id"] for manifest in self._manifests(runs)}
        return known

    def _manifests(self, runs: Sequence[str]) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2")
        for part in pages.paginate(Bucket=self._bucket, Prefix="listings/"):
            for item in part.get("Contents", []):
                if item["Key"].endswith("/_manifest.json"):
                    manifest = json.loads(self._read(item["Key"]))
                    if manifest["run_id"] in runs:
                        yield manifest | {"prefix": item["Key"].removesuffix("_manifest.json")}

    def _read(self, key: str) -> bytes:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        assert isinstance(body, bytes)
        return body

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with closing(loader_connection(self._stack)) as connection:
            return connection.execute(sql, values).fetchall()


def show(lines: Sequence[Line], console: Console) -> None:
    """Prints the accounts as a table, with a last row of sums."""
    but = " but for days that were extracted again" if any(line.superseded_by for line in lines) else ""
    # A search for sale shows no buildings: no column for them.
    counts = {
        name: each for name, each in COUNTS.items() if name != "buildings" or any(line.not_listings for line in lines)
    }
    parts = " + ".join(name for name in counts if name not in ("listings", "loaded"))
    table = Table(
        title=f"Where every listing went: listings = {parts}, loaded = clean{but}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in ("date", "market"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pages", *counts):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why rejected", no_wrap=True)
    between = ", " if console.width >= ONE_LINE else "\n"
    for line in lines:
        table.add_row(
            line.date,
            line.market,
            str(line.pages),
            *(str(getattr(line, name)) for name in counts.values()),
            between.join(f"{count} {reason}" for reason, count in sorted(line.reasons.items())),
        )
    table.add_section()
    sums = (sum(getattr(line, name) for line in lines) for name in ("pages", *counts.values()))
    table.add_row("", "together", *(str(total) for total in sums), "")
    console.print(table)
    for line in lines:
        if line.pages_claimed and line.filled < line.pages_claimed:
            console.print(f"{line.market} {line.date}: {_short(line)}", style="yellow")
    for line in lines:
        if line.superseded_by:
            console.print(
                f"{line.market} {line.date}: extracted again since; the warehouse and the report have the listings of "
                f"{line.superseded_by}",
                style="yellow",
                soft_wrap=True,
            )


def _short(line: Line) -> str:
    return f"the API claims {line.pages_claimed} pages and gave {line.filled} with listings; what there is was taken"
