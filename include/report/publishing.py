"""Puts a date's report where people and the Listings page look for it: HTML, record, and the marts as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.base.keys import latest_report_key, mart_file, report_key
from include.base.objects import JSON, Bucket
from include.base.receipts import Record
from include.base.settings import Resources
from include.report import exports, reading
from include.report import html as report
from include.report.marts import MartBuild
from include.report.model import Market, Report
from include.report.store import HTML, KINDS, RECORD, ReportStore
from include.warehouse.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


@dataclass(frozen=True)
class PublishedReport(Record):
    """A report that lies in the clean bucket; `latest` when it is the newest date's."""

    date: str
    uri: str
    build_number: int
    markets: int
    listings: int
    bytes: int
    latest: bool


@dataclass(frozen=True)
class Publisher:
    """Publishes reports of one build of the marts.

    :param generated_at: when, as ISO 8601 in UTC: that of the run, not of a clock.
    """

    connection: Connection
    client: S3Client
    where: Resources
    build: MartBuild
    run_id: str
    generated_at: str

    def is_due(self, date: str) -> bool:
        """Whether the marts were built since the report of the date was published, or it never was."""
        found = ReportStore(self.client, self.where.clean_bucket).summary(date)
        return found is None or found.build_number != self.build.build_number

    def publish(self, date: str) -> PublishedReport:
        """Puts all files of the date's report, its record last; of the newest date also as the latest.

        Each may be put again: what stands there is replaced by the same report, or a newer build's.
        """
        data = reading.read(self.connection, date)
        html = report.render(data, generated_at=self.generated_at).encode()
        self._put(report_key(date, HTML), html, "text/html; charset=utf-8")
        record = self._describe(data, self._put_marts(date))
        latest = self.build.newest_date is None or date >= self.build.newest_date
        if latest:
            self._put(latest_report_key("latest.html"), html, "text/html; charset=utf-8")
            self._put_record(latest_report_key("latest.json"), record)
        self._put_record(report_key(date, RECORD), record)
        return PublishedReport(
            date=date,
            uri=f"s3://{self.where.clean_bucket}/{report_key(date, HTML)}",
            build_number=data["build_number"],
            markets=len(data["markets"]),
            listings=sum(market["days"][-1]["active"] for market in data["markets"]),
            bytes=len(html),
            latest=latest,
        )

    def _put_marts(self, date: str) -> dict[str, dict[str, Any]]:
        described = {}
        for each in exports.exports(self.connection, date):
            for kind, media_type in KINDS.items():
                self._put(report_key(date, mart_file(each.mart, kind)), getattr(each, kind), media_type)
            described[each.mart] = {"rows": each.rows, "span": each.span}
        return described

    def _describe(self, data: Report, marts: Mapping[str, Any]) -> dict[str, Any]:
        """The record of the report: what the Listings page shows without opening it."""
        return {
            "date": data["date"],
            "generated_at": self.generated_at,
            "build_number": data["build_number"],
            "run_id": self.run_id,
            "markets": [_summary(market) for market in data["markets"]],
            "marts": marts,
            "reported": [
                f"{market['source']}/{market['market']}|{data['date']}"
                for market in data["markets"]
                if market["days"][-1]["date"] == data["date"]
            ],
        }

    def _put_record(self, key: str, record: Mapping[str, Any]) -> None:
        self._put(key, json.dumps(record, indent=1).encode(), JSON)

    def _put(self, key: str, body: bytes, media_type: str) -> None:
        Bucket(self.client, self.where.clean_bucket).put(key, body, media_type)


def _summary(market: Market) -> dict[str, Any]:
    newest = market["days"][-1]
    return {
        "source": market["source"],
        "market": market["market"],
        "name": market["name"],
        "date": newest["date"],
        "active": newest["active"],
        "median_price": newest["price"]["median"],
        "is_complete": newest["coverage"]["is_complete"],
        "seen": newest["coverage"]["seen"],
        "claimed": newest["coverage"]["claimed"],
    }
