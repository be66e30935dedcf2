"""Knows the API families: how to ask each for a page, and whether what came back is one.

A family is a file, `schemas/sources/<name>.yaml` (its form is in `adapters.py`); a new one needs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from include.base import claims
from include.base.refusals import Refused
from include.base.searches import SALE
from include.contract.adapters import Adapter, AdapterError, Request, Rule, parse_adapter
from include.contract.yaml_files import read_yaml

__all__ = [
    "AdapterError",
    "NotAPage",
    "PageFacts",
    "Request",
    "Source",
    "UnknownSource",
    "compile_adapter",
    "compile_source",
    "known_sources",
    "load_source",
]

SOURCES_FOLDER = Path(__file__).parents[1] / "schemas" / "sources"
MOST_LISTINGS = 10_000
"""Of a page. No family sends more than some hundreds; the transform needs memory by the row."""
_WORDS_LIMIT = 500
# The statuses below 500 that may pass by waiting: time-out, too early, too many requests.
_PASSING_STATUSES = (408, 425, 429)


class UnknownSource(Refused):
    """No adapter of that name; the message lists the ones there are."""


class NotAPage(ValueError):
    """A body that holds no list of listings.

    `reason` is one of empty, html, not_json, error_body, no_list, too_many; `message` is the API's own words where it
    has any and sent nothing else, or what came, cut to 500 characters.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class PageFacts:
    """What a page says of itself: listings counted in it, and what the API claims of the whole search."""

    listings: int
    total_pages: int | None
    total_listings: int | None


@dataclass(frozen=True)
class Source:
    """One API family."""

    adapter: Adapter

    @property
    def name(self) -> str:
        """The family's name, as in keys and tables."""
        return self.adapter.source

    @property
    def connection(self) -> str:
        """The Airflow connection that holds its key and host."""
        return self.adapter.connection

    @property
    def request(self) -> Request:
        """Path, host, method, first page and page cap."""
        return self.adapter.request

    def request_params(
        self, location: str, page: int, page_size: int | None = None, listing: str = SALE
    ) -> dict[str, str]:
        """Query parameters for the page numbered `page` from 1, in the family's own counting.

        `listing` is a search that the family offers (`request.listing`). ValueError where a page size is asked of a
        family that has none.
        """
        request = self.request
        number = request.first_page + page - 1
        params = {**request.params, **request.listing[listing], request.location_param: location}
        params[request.page_param] = str(number)
        if request.page_size_param:
            params[request.page_size_param] = str(page_size or request.page_size)
        elif page_size is not None:
            raise ValueError(f"{self.name} has no parameter for the page size; leave it out (got {page_size})")
        return params

    def read_page(self, body: bytes) -> PageFacts:
        """Facts of a page; raises `NotAPage` for anything that has no list of listings."""
        document = _parse(body)
        there = (_at(document, path) for path in self.adapter.listings_at)
        rows = next((found for found in there if isinstance(found, list)), None)
        if rows is None:
            raise self._no_list(document, body)
        if len(rows) > MOST_LISTINGS:
            raise NotAPage("too_many", f"{len(rows)} listings, and a page may have {MOST_LISTINGS}")
        return PageFacts(
            listings=len(rows),
            total_pages=self._claim(document, "total_pages"),
            total_listings=self._claim(document, "total_listings"),
        )

    def _claim(self, document: Any, fact: str) -> int | None:
        """The number at the first of the fact's places that has one."""
        found = (claims.count(_at(document, path)) for path in self.adapter.page_facts.get(fact, ()))
        return next((number for number in found if number is not None), None)

    def _no_list(self, document: Any, body: bytes) -> NotAPage:
        """An error in the API's words, or what was missing: a page of another API says that all is well."""
        words = self._words(document)
        said = {path.split(".")[0] for path in self.adapter.message_at}
        parts = document.items() if isinstance(document, Mapping) else ()
        is_content = any(isinstance(part, (list, Mapping)) and name not in said for name, part in parts)
        if words and not is_content:
            return NotAPage("error_body", words)
        return NotAPage("no_list", f"no list of listings at {' or '.join(self.adapter.listings_at)}: {_shown(body)}")

    def is_permanent(self, status: int, body: bytes) -> bool:
        """Whether waiting cures nothing: the status says so, or the API's words do (a monthly quota)."""
        if 400 <= status < 500 and status not in _PASSING_STATUSES:
            return True
        words = body.decode("utf-8", "replace").casefold()
        return any(phrase.casefold() in words for phrase in self.adapter.permanent) and not self._is_page(body)

    def _is_page(self, body: bytes) -> bool:
        try:
            self.read_page(body)
        except NotAPage:
            return False
        return True

    def _words(self, document: Any) -> str | None:
        for path in self.adapter.message_at:
            said = _at(document, path)
            if said:
                return (said if isinstance(said, str) else json.dumps(said))[:_WORDS_LIMIT]
        return None


@cache
def load_source(name: str) -> Source:
    """The family of that name; UnknownSource lists the known ones, AdapterError says what its file has wrong."""
    if name not in known_sources():
        raise UnknownSource(f"no API family {name!r}; known: {', '.join(known_sources())} (in {SOURCES_FOLDER.name}/)")
    return Source(parse_adapter(name, read_yaml(SOURCES_FOLDER / f"{name}.yaml")))


def known_sources() -> tuple[str, ...]:
    """Names of the families that have an adapter, in alphabetical order."""
    return tuple(sorted(path.stem for path in SOURCES_FOLDER.glob("*.yaml")))


def compile_source(name: str) -> dict[str, Any]:
    """What the transform needs of a family, as plain JSON values (one entry of its `sources.json`)."""
    return compile_adapter(load_source(name).adapter)


def compile_adapter(adapter: Adapter) -> dict[str, Any]:
    """The same of an adapter that is at hand."""
    return {
        "source": adapter.source,
        "listings_at": list(adapter.listings_at),
        "each": adapter.each,
        "columns": {column: [_compiled(rule) for rule in rules] for column, rules in adapter.columns.items()},
        "flags": dict(adapter.flags),
        "maps": {key: dict(each) for key, each in adapter.maps.items()},
        "ignored": list(adapter.ignored),
        "expected": list(adapter.expected),
        "not_listings": {path: list(values) for path, values in adapter.not_listings.items()},
    }


def _compiled(rule: Rule) -> dict[str, Any]:
    plain = asdict(Rule(**{**vars(rule), "units": None}))
    return {
        **plain,
        "null_values": list(rule.null_values),
        "null_of_homes": list(rule.null_of_homes),
        "units": dict(rule.units) if rule.units else None,
    }


def _parse(body: bytes) -> Any:
    if not body.strip():
        raise NotAPage("empty", f"the body is empty ({len(body)} bytes)")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:
        kind = "html" if body.lstrip()[:1] == b"<" else "not_json"
        raise NotAPage(kind, _shown(body)) from fault


def _shown(body: bytes) -> str:
    return " ".join(body[: 4 * _WORDS_LIMIT].decode("utf-8", "replace").split())[:_WORDS_LIMIT]


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(part)
    return document
