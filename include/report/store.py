"""Market reports as they lie in the clean bucket: a folder per date with the page, what it says of itself, the marts.

`report.json` is {"date", "generated_at", "build_number", "run_id", "markets", "marts", "reported"}: `reported` names
the partitions in it that have data on its date, `marts` has rows and span of each. `include.report.publishing` puts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from include.base.json_objects import REPORT, UnreadableObject, read_object
from include.base.keys import (
    READY,
    REPORT_DATES,
    MalformedKey,
    SetKey,
    just_before,
    mart_file,
    parse_ready,
    report_folder_date,
    report_key,
    reported_date,
)
from include.base.objects import Bucket
from include.ledger.shown import Ready, Reported

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

HTML, RECORD = "report.html", "report.json"
KINDS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
"""The forms in which a report keeps a mart, each with its media type."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MART = re.compile(r"[a-z][a-z0-9_]*")


class StoreTrouble(RuntimeError):
    """S3 did not answer as it should; the message is a sentence for a person."""


@dataclass(frozen=True)
class Mart:
    """A mart as a report keeps it: its rows, and in words which days they are of."""

    rows: int | None
    span: str


@dataclass(frozen=True)
class Summary:
    """What a report says of itself, from its report.json; `marts` by name, in the order in which they were put."""

    date: str
    generated_at: datetime
    build_number: int | None
    run_id: str
    markets: tuple[dict[str, Any], ...]
    marts: dict[str, Mart]
    reported: frozenset[str]

    @property
    def as_reported(self) -> Reported:
        """The little that the live table needs of it."""
        return Reported(self.generated_at, self.run_id, self.reported)


@dataclass(frozen=True)
class Download:
    """An object on its way: `body` is read in pieces by who sends it on."""

    body: Any
    size: int | None


@dataclass(frozen=True)
class ReportStore:
    """The reports and ready markers in one clean bucket; every trouble with S3 comes as StoreTrouble."""

    client: S3Client
    bucket: str

    @property
    def _clean(self) -> Bucket:
        return Bucket(self.client, self.bucket)

    def dates(self) -> list[str]:
        """The dates that have a folder, newest first."""
        with _in_words(self.bucket):
            found = list(self._clean.folders(REPORT_DATES))
        return sorted((date for folder in found if (date := report_folder_date(folder))), reverse=True)

    def stamps(self, since: str) -> dict[str, datetime]:
        """When the reports of the dates from `since` on were put, by date."""
        keys = self._keys(REPORT_DATES, f"{REPORT_DATES}{since}")
        return {date: put_at for key, put_at in keys if (date := reported_date(key))}

    def summary(self, date: str) -> Summary | None:
        """What the report of a date says of itself; None where there is no report."""
        body = self._read(report_key(checked_date(date), RECORD))
        if body is None:
            return None
        try:
            return read_object(
                body, self._clean.uri(report_key(date, RECORD)), REPORT, lambda said: _summary(date, said)
            )
        except UnreadableObject as fault:
            raise StoreTrouble(f"The report.json of {date} cannot be read: {fault}.") from fault

    def html(self, date: str) -> bytes | None:
        """The report of a date as a page; None where there is none."""
        return self._read(report_key(checked_date(date), HTML))

    def mart(self, date: str, mart: str, kind: str) -> Download | None:
        """A mart of a date's report, `csv` or `parquet`; None where there is none, MalformedKey for no such name."""
        if kind not in KINDS or not _MART.fullmatch(mart):
            raise MalformedKey(f"{mart!r} as {kind!r}: expected a mart's name and csv or parquet")
        key = report_key(checked_date(date), mart_file(mart, kind))
        with _in_words(self.bucket):
            found = self._clean.open(key)
        if found is None:
            return None
        return Download(found["Body"], found.get("ContentLength"))

    def ready(self, since: str, transform_version: str) -> dict[SetKey, Ready]:
        """The newest ready marker of each set of the dates from `since` on, of the transform named."""
        newest: dict[SetKey, Ready] = {}
        for key, put_at in self._keys(READY, just_before(READY, since)):
            found = parse_ready(key)
            if found and found.transform_version == transform_version:
                marker = Ready(found.replay or "", put_at)
                newest[found.key] = max(newest.get(found.key, marker), marker, key=lambda each: each.replay)
        return newest

    def _keys(self, prefix: str, after: str) -> Iterator[tuple[str, datetime]]:
        with _in_words(self.bucket):
            yield from self._clean.listed(prefix, after)

    def _read(self, key: str) -> bytes | None:
        with _in_words(self.bucket):
            return self._clean.get(key)


def checked_date(date: str) -> str:
    """The date, when it is one; MalformedKey otherwise, before a key is made of it."""
    try:
        if _DATE.fullmatch(date):
            return Date.fromisoformat(date).isoformat()
    except ValueError:
        pass
    raise MalformedKey(f"{date!r} is no date: expected one like 2026-11-22")


@contextmanager
def _in_words(bucket: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise StoreTrouble(f"S3 refused to show the bucket {bucket}: {code}.") from error
    except BotoCoreError as error:
        raise StoreTrouble(f"S3 cannot be reached for the bucket {bucket}: {type(error).__name__}.") from error


def _summary(date: str, said: dict[str, Any]) -> Summary:
    moment = datetime.fromisoformat(said["generated_at"])
    return Summary(
        date=date,
        generated_at=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        build_number=said.get("build_number"),
        run_id=str(said.get("run_id") or ""),
        markets=tuple(said.get("markets") or ()),
        marts={
            name: Mart(each.get("rows"), str(each.get("span") or ""))
            for name, each in (said.get("marts") or {}).items()
            if _MART.fullmatch(name)
        },
        reported=frozenset(said.get("reported") or ()),
    )
