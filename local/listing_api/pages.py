"""Pages of the simulated market, as bytes: which listings a page shows and what it says of the whole search."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from local.listing_api.families import Family
from local.listing_api.families.family import BadRequest, Json, PageFacts
from local.listing_api.listing_periods import Stay
from local.listing_api.market import listing_of, rows_on
from local.listing_api.places import UnknownLocation, known_markets, parse_market
from local.listing_api.searches import is_building


@dataclass(frozen=True, slots=True)
class SimulatedPages:
    """Answers searches from the simulated market."""

    seed: int
    page_size: int
    pages_cap: int
    dirty_share: float

    def body(self, family: Family, query: Mapping[str, str], page: int, now: datetime) -> bytes:
        """The page as JSON bytes; after the last reachable page an empty one. Raises BadRequest."""
        try:
            market = parse_market(query.get(family.location_param, ""), self.seed)
        except UnknownLocation as error:
            raise BadRequest(str(error)) from error
        size, day, search = family.page_size(query, self.page_size), now.date(), family.search(query)
        rows = rows_on(self.seed, market, day, search)
        if family.building is None:
            rows = [stay for stay in rows if not is_building(stay)]
        pages = min(self.pages_cap, -(-len(rows) // size))
        shown = rows[(page - 1) * size : page * size] if page <= pages else ()
        listings = [family.row(listing_of(stay, day, search), now, self.dirty_share) for stay in shown]
        facts = PageFacts(page, size, pages, len({stay.zpid for stay in rows}))
        return page_bytes(family.envelope(listings, facts))


def page_bytes(body: Json) -> bytes:
    """A page as it goes over the wire."""
    return json.dumps(body, ensure_ascii=False).encode()


def write_pages(family: Family, count: int, out: Path, pages: SimulatedPages) -> int:
    """Writes full pages page-0001.json … of the known markets, largest first; returns the listings written.

    Raises BadRequest where all known markets together have fewer pages than asked for.
    """
    now = datetime.combine(_PAGES_DAY, time(6), UTC)
    size = pages.page_size
    rows: list[Stay] = []
    for market in known_markets(pages.seed):
        if len(rows) < count * size:
            rows += rows_on(pages.seed, market, _PAGES_DAY)
    if count * size > len(rows):
        raise BadRequest(f"--write-pages {count}: expected at most {len(rows) // size} pages of {size} listings.")
    out.mkdir(parents=True, exist_ok=True)
    for page in range(1, count + 1):
        shown = rows[(page - 1) * size : page * size]
        listings = [family.listing(listing_of(stay, _PAGES_DAY), now, pages.dirty_share) for stay in shown]
        body = family.envelope(listings, PageFacts(page, size, count, len(rows)))
        (out / f"page-{page:04d}.json").write_bytes(page_bytes(body))
    return count * size


_PAGES_DAY = datetime(2026, 11, 22, tzinfo=UTC).date()  # any day will do, but always the same
