"""Recorded pages instead of the simulated market, byte for byte.

A folder holds page-0001.json, page-0002.json, … for every location, or one such folder per market, named by
its slug (houston-tx). Every file is read and checked once, at the start.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local.listing_api.families import FAMILIES, Family
from local.listing_api.families.family import BadRequest, Json
from local.listing_api.pages import page_bytes
from local.listing_api.places import slug_of

_PAGE_NAME = re.compile(r"page-(\d{4})\.json")


class BadRecording(ValueError):
    """A folder or file that cannot be served; the message names it, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The pages of one search, first to last, and the family that they are of."""

    family: Family
    pages: tuple[bytes, ...]
    last: Json

    def page(self, number: int) -> bytes:
        """A recorded page, or after the last one an empty page with the last one's facts."""
        if number <= len(self.pages):
            return self.pages[number - 1]
        return page_bytes(self.family.empty(self.last, number))


@dataclass(frozen=True, slots=True)
class RecordedPages:
    """Answers searches from recordings: one for every location, or by market slug."""

    anywhere: Recording | None
    by_market: Mapping[str, Recording]

    def body(self, family: Family, query: Mapping[str, str], page: int, now: datetime) -> bytes:
        """The recorded bytes. Raises BadRequest for a market or a family that was not recorded."""
        location = query.get(family.location_param, "")
        recording = self.anywhere or self.by_market.get(slug_of(location))
        if recording is None:
            known = ", ".join(sorted(self.by_market))
            raise BadRequest(f"Nothing is recorded for the location {location[:60]!r}. Recorded are: {known}.")
        if recording.family is not family:
            raise BadRequest(f"The recorded pages are of {recording.family.name}, not of {family.name}.")
        return recording.page(page)


def load_recordings(folder: Path) -> RecordedPages:
    """Reads and checks a folder of recordings. Raises BadRecording."""
    if not folder.is_dir():
        raise BadRecording(f"{folder}: expected a folder of recorded pages, there is none.")
    markets = {sub.name: _load(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    if not markets:
        return RecordedPages(_load(folder), {})
    if any(folder.glob("page-*.json")):
        raise BadRecording(f"{folder}: expected either pages or folders named by market, found both.")
    for name in markets:
        if name != slug_of(name):
            raise BadRecording(f"{folder / name}: expected a market such as houston-tx, named {slug_of(name)!r}.")
    return RecordedPages(None, markets)


def _load(folder: Path) -> Recording:
    files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    if not files:
        raise BadRecording(f"{folder}: expected recorded pages page-0001.json, page-0002.json, …, found none.")
    families, body = set(), Json()
    for number, path in enumerate(files, start=1):
        match = _PAGE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != number:
            raise BadRecording(f"{path}: expected page-{number:04d}.json as the next page.")
        family, body = _check(path)
        families.add(family.name)
    if len(families) > 1:
        raise BadRecording(f"{folder}: expected pages of one family, found {' and '.join(sorted(families))}.")
    return Recording(family, tuple(path.read_bytes() for path in files), body)


def _check(path: Path) -> tuple[Family, Json]:
    content = path.read_bytes()
    try:
        body = json.loads(content)
    except ValueError as error:
        start = content[:40].decode("utf-8", "replace")
        raise BadRecording(f"{path}: expected a page as JSON, found {start!r} ({error}).") from error
    for family in FAMILIES.values():
        if family.listings_in(body) is not None:
            return family, body
    keys = f"the keys {', '.join(list(body)[:8])}" if isinstance(body, dict) else f"a {type(body).__name__}"
    lists = ", ".join(f"{family.name}'s page" for family in FAMILIES.values())
    raise BadRecording(f"{path}: expected a list of listings as in {lists}; found {keys}.")
