"""What a folder of recorded pages holds: which markets, of which API family, how many listings."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.listing_api.recordings import BadRecording, Recording, load_recordings


@dataclass(frozen=True)
class Recorded:
    """The markets of a folder of recordings, and the family that their pages are of."""

    locations: list[str]
    source: str
    # Of the pages' bytes: other pages in the same folder are others.
    fingerprint: str


def look(folder: Path) -> Recorded:
    """The markets in `folder`; raises `local.listing_api.recordings.BadRecording` when it cannot be served.

    A market is named after its subfolder; that of a flat folder after the place that most of its listings name.
    """
    pages = load_recordings(folder)
    if pages.anywhere:
        return Recorded([_place(pages.anywhere)], pages.anywhere.family.name, _fingerprint([pages.anywhere]))
    # A market of each family, to name one; what is served may be of several, what is extracted at once may not.
    markets = {recording.family.name: slug for slug, recording in pages.by_market.items()}
    if len(markets) > 1:
        found = " and ".join(
            f"{slug} of {family}" for family, slug in sorted(markets.items(), key=lambda each: each[1])
        )
        raise BadRecording(f"{folder}: expected markets of one API family, found {found}. Run one folder for each.")
    [family] = markets
    locations = [_location(slug) for slug in pages.by_market]
    return Recorded(locations, family, _fingerprint(pages.by_market.values()))


def _fingerprint(recordings: Iterable[Recording]) -> str:
    digest = hashlib.sha256()
    for recording in recordings:
        for page in recording.pages:
            digest.update(hashlib.sha256(page).digest())
    return digest.hexdigest()


def _place(recording: Recording) -> str:
    named = Counter(place for page in recording.pages for place in _places(json.loads(page)))
    if not named:
        return "recorded market"
    city, state = named.most_common(1)[0][0]
    return f"{city}, {state}".lower()


def _places(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        city, state = value.get("city"), value.get("state")
        if isinstance(city, str) and isinstance(state, str):
            yield city, state
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _places(inner)


def _location(slug: str) -> str:
    city, _, state = slug.rpartition("-")
    return f"{city.replace('-', ' ')}, {state}" if city else slug
