"""Where things lie in S3, and how partitions are named: every key is made and parsed here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from include.base.refusals import Refused

MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS.json"
LISTINGS_FILE = "listings.parquet"
REJECTS_FILE = "rejects.parquet"
SETS = "listings/"
"""What the keys of all sets begin with, in each of the three buckets."""
READY = "ready/"
"""What the ready markers begin with, in the clean bucket."""
REPORTS = "reports/"
REPLAYS = "reports/replays/"
OPEN_PARTITIONS = "reports/open-partitions.json"
"""Partitions that reconciliation must not forget, in the clean bucket."""
SAID_PARTITIONS = "reports/said-partitions.json"
"""Partitions before the window of reconciliation of which a person was told, in the clean bucket."""
REPORT_DATES = "reports/date="
"""What the folders of the reports begin with, in the clean bucket."""

_SET = re.compile(
    r"listings/source=(?P<source>[a-z0-9-]+)/market=(?P<market>[a-z0-9-]+)"
    r"/date=(?P<date>\d{4}-\d\d-\d\d)/extract=(?P<extract_id>[0-9A-Za-z-]+)/"
)
_REPLAY_REQUEST = re.compile(
    rf"{REPLAYS}replay=(?P<replay>[0-9A-Za-z-]+)/date=(?P<date>\d{{4}}-\d\d-\d\d)/request\.json"
)
_REPORT = re.compile(r"reports/date=(?P<date>\d{4}-\d\d-\d\d)/report\.json")
_NOTICE = re.compile(r"[a-z0-9~-]+")
_REPORT_FOLDER = re.compile(r"reports/date=(?P<date>\d{4}-\d\d-\d\d)/")
_PARTITION = re.compile(r"(?P<source>[a-z0-9-]+)/(?P<market>[a-z0-9-]+)\|(?P<date>\d{4}-\d\d-\d\d)")
_READY = re.compile(
    r"ready/date=(?P<date>\d{4}-\d\d-\d\d)/(?P<source>[a-z0-9-]+)~(?P<market>[a-z0-9-]+)"
    r"~(?P<extract_id>[0-9A-Za-z-]+)~(?P<transform_version>[0-9a-z]+)(~(?P<replay>[0-9A-Za-z-]+))?\.json"
)

_SET_ID = re.compile(
    r"(?P<source>[a-z0-9-]+)/(?P<market>[a-z0-9-]+)/(?P<date>\d{4}-\d\d-\d\d)/(?P<extract_id>[0-9A-Za-z-]+)"
    r"(/[0-9a-z]+)?"
)
_WITHDRAWN = re.compile(
    r"withdrawn/date=(?P<date>\d{4}-\d\d-\d\d)/(?P<source>[a-z0-9-]+)~(?P<market>[a-z0-9-]+)"
    r"~(?P<extract_id>[0-9A-Za-z-]+)\.json"
)


class MalformedKey(Refused):
    """A key or partition that does not have the form made here."""


@dataclass(frozen=True, order=True)
class SetKey:
    """Names one set: what one extraction brought for one source, market and date."""

    source: str
    market: str
    date: str
    extract_id: str

    @property
    def prefix(self) -> str:
        """The set's folder, the same in the landing and the raw bucket."""
        return f"{market_prefix(self.source, self.market, self.date)}extract={self.extract_id}/"

    @property
    def manifest(self) -> str:
        """The object that, put last, makes the set complete."""
        return f"{self.prefix}{MANIFEST}"

    @property
    def errors_prefix(self) -> str:
        """Where bodies that are not pages are kept."""
        return f"errors/{self.prefix.removeprefix('listings/')}"

    @property
    def partition(self) -> str:
        """The partition key of the set's asset events."""
        return f"{self.source}/{self.market}|{self.date}"

    def clean_prefix(self, transform_version: str) -> str:
        """The folder of the set's clean files in the clean bucket."""
        return f"{self.prefix}transform={transform_version}/"

    def success(self, transform_version: str) -> str:
        """The object that, put last, says the set is clean."""
        return f"{self.clean_prefix(transform_version)}{SUCCESS}"

    def ready(self, transform_version: str, replay: str | None = None) -> str:
        """The marker that the set passed its gates; `replay` is the id of the replay that had it cleaned again."""
        parts = (self.source, self.market, self.extract_id, transform_version, replay)
        return f"{ready_prefix(self.date)}{'~'.join(part for part in parts if part)}.json"

    @property
    def name(self) -> str:
        """The set as a person names it."""
        return f"{self.source}/{self.market}/{self.date}/{self.extract_id}"

    def set_id(self, transform_version: str) -> str:
        """The set as the warehouse's audit names it."""
        return f"{self.name}/{transform_version}"

    @classmethod
    def from_key(cls, key: str) -> SetKey:
        """The set that an object of the landing, raw or clean bucket belongs to."""
        if not (found := cls.of(key)):
            raise MalformedKey(f"not a key of a set: {key!r}")
        return found

    @classmethod
    def of(cls, key: str) -> SetKey | None:
        """The set that an object belongs to, or None for one that somebody else put there."""
        match = _SET.match(key)
        return cls(**match.groupdict()) if match else None


def page_name(page: int) -> str:
    """The name of the page numbered `page` (from 1) within its set."""
    return f"page-{page:04d}.json"


def page_number(key: str) -> int | None:
    """The number of the page stored at `key`, or None when it is not a page."""
    match = re.search(r"/page-(\d{4,})\.json$", key)
    return int(match[1]) if match else None


def source_prefix(source: str) -> str:
    """What the keys of all sets of a family begin with."""
    return f"{SETS}source={source}/"


def market_in(folder: str) -> str:
    """The market whose folder this is, one below the prefix of a family."""
    return folder.rsplit("market=", 1)[-1].rstrip("/")


def just_before(folder: str, date: str) -> str:
    """Return where a listing of the folder is to start for `date` to be the first of its dates."""
    return f"{folder}date={date}"


def transform_folder(version: str) -> str:
    """The folder within a clean set that holds what this transform made of it."""
    return f"transform={version}/"


def market_prefix(source: str, market: str, date: str) -> str:
    """The folder of all extractions of one partition."""
    return f"listings/source={source}/market={market}/date={date}/"


def ready_prefix(date: str, source: str = "", market: str = "") -> str:
    """What the ready markers of a date begin with; of one market when it is named."""
    return f"ready/date={date}/" + (f"{source}~{market}~" if market else "")


@dataclass(frozen=True)
class ReadyKey:
    """What the key of a ready marker names: the set, the version that cleaned it, the replay it came by if any."""

    key: SetKey
    transform_version: str
    replay: str | None


def parse_ready(key: str) -> ReadyKey | None:
    """What a ready marker's key names; None for what somebody else put there."""
    if not (match := _READY.fullmatch(key)):
        return None
    found = match.groupdict()
    version, replay = found.pop("transform_version"), found.pop("replay")
    return ReadyKey(SetKey(**found), version, replay)


def copy_manifest_key(batch_id: str, table: str) -> str:
    """The COPY manifest of one staging table (`listings` or `rejects`) of a batch."""
    return f"loads/batch={batch_id}/{table}.manifest"


def quota_prefix(source: str, month: str) -> str:
    """The folder of a family's quota ledger for a month like 2026-11."""
    return f"quota/source={source}/month={month}/"


def quota_key(source: str, month: str, number: int) -> str:
    """Where the entry numbered `number` (from 1) of a quota ledger lies."""
    return f"{quota_prefix(source, month)}{number:07d}.json"


def quota_number(key: str) -> int | None:
    """The number of the ledger entry stored at `key`, or None when it is none."""
    match = re.search(r"/(\d{7})\.json$", key)
    return int(match[1]) if match else None


def replay_key(replay: str, date: str, name: str) -> str:
    """Where a replay keeps what it has to say of one date: `request` or `outcome`."""
    return f"{REPLAYS}replay={replay}/date={date}/{name}.json"


def just_before_replay(since: str) -> str:
    """Return where a listing of the replays is to start for `since`, a moment, to be the first that is named."""
    return f"{REPLAYS}replay={since}"


def parse_replay(key: str) -> tuple[str, str] | None:
    """The replay whose request is stored at `key` and the date that it is about, or None when it is none."""
    match = _REPLAY_REQUEST.fullmatch(key)
    return (match["replay"], match["date"]) if match else None


def notice_key(date: str, name: str) -> str:
    """Where the notice `name` of a date lies in the clean bucket once it was given."""
    if not _NOTICE.fullmatch(name):
        raise MalformedKey(f"notice {name!r}: expected a-z, 0-9, ~ and dashes")
    return f"reports/notices/date={date}/{name}.json"


def resent_notices(transform_version: str) -> str:
    """What the notices begin with of the sets that were sent to this transform again; a new one begins anew."""
    return f"resent~{transform_version}~"


def resent_notice(key: SetKey, transform_version: str) -> str:
    """The notice that the set was sent to this transform again."""
    return f"{resent_notices(transform_version)}{key.source}~{key.market}~{key.extract_id.lower()}"


def field_notices(key: SetKey) -> str:
    """What the notices begin with of the unknown fields of the set's market."""
    return f"drift~{key.source}~{key.market}~"


def field_notice(key: SetKey, path: str) -> str:
    """The notice of an unknown field; by a hash, as its path may hold what a key must not."""
    return field_notices(key) + sha256(path.encode()).hexdigest()[:12]


def lost_notice(partition: str) -> tuple[str, str]:
    """Date and name of the notice that nobody can bring the partition's rows back."""
    source, market, date = parse_partition(partition)
    return date, f"lost~{source}~{market}"


def message_notice(fingerprint: str) -> str:
    """The notice that the message of this fingerprint was mailed."""
    return f"reconcile~{fingerprint}"


def report_key(date: str, name: str) -> str:
    """Where a date's report keeps its files: `report.html`, `report.json`, `marts/market_by_day.csv`."""
    return f"{REPORTS}date={date}/{name}"


def latest_report_key(name: str) -> str:
    """Where the newest date's report stands once more: `latest.html`, `latest.json`."""
    return f"{REPORTS}{name}"


def mart_file(mart: str, kind: str) -> str:
    """The name, for `report_key`, of a mart's export: `kind` is csv or parquet."""
    return f"marts/{mart}.{kind}"


def reported_date(key: str) -> str | None:
    """The date whose finished report the object at `key` describes, or None when it is none."""
    match = _REPORT.fullmatch(key)
    return match["date"] if match else None


def report_folder_date(folder: str) -> str | None:
    """The date of the report whose folder, like reports/date=2026-11-22/, this is; None for another folder."""
    match = _REPORT_FOLDER.fullmatch(folder)
    return match["date"] if match else None


def parse_partition(partition: str) -> tuple[str, str, str]:
    """Source, market and date of a set's partition key."""
    if not (match := _PARTITION.fullmatch(partition)):
        raise MalformedKey(f"partition key {partition!r}: expected source/market|YYYY-MM-DD")
    return match["source"], match["market"], match["date"]


def withdrawn_prefix(date: str) -> str:
    """What the withdrawals of a date begin with, in the raw bucket."""
    return f"withdrawn/date={date}/"


def withdrawal_key(key: SetKey) -> str:
    """Where the withdrawal of a set lies, in the raw bucket."""
    return f"{withdrawn_prefix(key.date)}{key.source}~{key.market}~{key.extract_id}.json"


def parse_withdrawal(key: str) -> SetKey | None:
    """The set that a withdrawal's key names; None for what somebody else put there."""
    match = _WITHDRAWN.fullmatch(key)
    return SetKey(**match.groupdict()) if match else None


def set_of(set_id: str) -> SetKey:
    """The set that the warehouse's audit names so, with the version of the transform behind it or without."""
    if not (match := _SET_ID.fullmatch(set_id)):
        raise MalformedKey(
            f"set {set_id[:200]!r}: expected source/market/date/extract, "
            "like zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c"
        )
    return SetKey(**match.groupdict())


def partition_of(set_id: str) -> str:
    """The partition key of the asset events of the set that the warehouse's audit names so."""
    return set_of(set_id).partition


def warehouse_partition(date: str) -> str:
    """The partition key of a date in the warehouse, whatever the market."""
    return f"all|{date}"


def parse_warehouse_partition(partition: str) -> str:
    """The date of a warehouse partition key."""
    kind, _, date = partition.partition("|")
    if kind != "all" or not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise MalformedKey(f"partition key {partition!r}: expected all|YYYY-MM-DD")
    return date


def extract_id(run_after: datetime, run_id: str) -> str:
    """Names an extraction or a replay: the same when its task is retried or cleared, another for another run."""
    moment = run_after.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{sha256(run_id.encode()).hexdigest()[:6]}"
