"""Knows what the design lets each identity do, in words; whatever does not stand here must be denied.

A grant is a verb and patterns of what it is done to, `*` for anything:

| what | named | verbs |
|---|---|---|
| bucket | `landing` | list, configure, remove |
| object | `landing/listings/page-0001.json`: the set's folders are left out | read, write, delete |
| queue | `queue/copy-raw`, `queue/copy-raw-dead` | look (count), receive, send, delete (a message), purge, remove |
| secret | `secret/airflow/connections/zillow_api` | read, write, remove |
| function | `function/copy-raw` | read, invoke, write, remove |
| its log | `log/copy-raw` | read, write, remove |
| role | `role/airflow` | become |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

GRANTS: dict[str, tuple[str, ...]] = {
    # Stands in for an instance profile: what Airflow starts as, and its key lies in Airflow's environment.
    "base": ("become role/airflow",),
    "airflow": (
        "list     landing raw clean",
        "read     landing/listings/* landing/quota/* raw/*/_manifest.json",
        "read     clean/listings/* clean/ready/* clean/reports/*",
        "write    landing/listings/* landing/errors/* landing/quota/*",
        "write    clean/ready/* clean/loads/* clean/reports/*",
        "read     raw/withdrawn/*",
        "write    raw/withdrawn/*",
        "delete   raw/withdrawn/*",
        "send     queue/copy-raw queue/transform-listings",
        "look     queue/copy-raw-dead queue/transform-listings-dead",
        "receive  queue/copy-raw-dead queue/transform-listings-dead",
        "delete   queue/copy-raw-dead queue/transform-listings-dead",
        "read     secret/airflow/connections/*",
    ),
    "copy": (
        "list     landing",
        "read     landing/listings/* raw/listings/*",
        "write    raw/listings/*",
        "look     queue/copy-raw",
        "receive  queue/copy-raw",
        "delete   queue/copy-raw",
        "write    log/copy-raw",
    ),
    "transform": (
        "list     raw",
        "read     raw/listings/*",
        "write    clean/listings/*",
        "look     queue/transform-listings",
        "receive  queue/transform-listings",
        "delete   queue/transform-listings",
        "write    log/transform-listings",
    ),
    # What Redshift assumes for COPY.
    "redshift": (
        "list     clean",
        "read     clean/listings/* clean/loads/*",
    ),
}

# An object in each place that means something to the pipeline, and one in each bucket that means nothing.
PLACES = (
    "landing/listings/page-0001.json",
    "landing/listings/_manifest.json",
    "landing/errors/page-0002-403-0a1b2c3d4e5f.body",
    "landing/quota/0000001.json",
    "landing/elsewhere/page-0001.json",
    "raw/listings/page-0001.json",
    "raw/listings/_manifest.json",
    "raw/withdrawn/zillow56~houston-tx.json",
    "raw/elsewhere/page-0001.json",
    "clean/listings/listings.parquet",
    "clean/listings/rejects.parquet",
    "clean/listings/_SUCCESS.json",
    "clean/ready/zillow56~houston-tx.json",
    "clean/loads/listings.manifest",
    "clean/reports/report.html",
    "clean/elsewhere/listings.parquet",
    "code/functions/copy_raw.zip",
)

VERBS: dict[str, tuple[str, ...]] = {
    "bucket": ("list", "configure", "remove"),
    "object": ("read", "write", "delete"),
    "queue": ("look", "receive", "send", "delete", "purge", "remove"),
    "secret": ("read", "write", "remove"),
    "function": ("read", "invoke", "write", "remove"),
    "log": ("read", "write", "remove"),
    "role": ("become",),
}


@dataclass(frozen=True)
class Cell:
    """One identity, what it tries on what, and whether the design lets it."""

    who: str
    verb: str
    kind: str
    thing: str

    @property
    def granted(self) -> bool:
        """Whether a line of the table covers it."""
        return any(self.covered_by(*grant) for grant in grants() if grant[0] == self.who)

    def covered_by(self, who: str, verb: str, pattern: str) -> bool:
        """Whether this one grant is about the cell."""
        return (who, verb) == (self.who, self.verb) and fnmatchcase(self.thing, pattern)

    def __str__(self) -> str:
        """The cell as a sentence, which is also its test's name."""
        return f"{self.who} {'may' if self.granted else 'may not'} {self.verb} {self.thing}"


def grants() -> Iterator[tuple[str, str, str]]:
    """The table's grants one by one: identity, verb, pattern."""
    for who, lines in GRANTS.items():
        for verb, *patterns in map(str.split, lines):
            yield from ((who, verb, pattern) for pattern in patterns)


def cells(things: dict[str, tuple[str, ...]]) -> Iterator[Cell]:
    """The whole matrix over `things`: what there is, by kind."""
    for who in GRANTS:
        for kind, names in things.items():
            for verb in VERBS[kind]:
                for name in names:
                    yield Cell(who, verb, kind, name)
