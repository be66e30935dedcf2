"""Replays: sets that lie in raw are cleaned again and loaded again, without a request to the API.

A replay is named by its run. Per date it keeps two objects in the clean bucket: the request, which says what was
asked for and by its own time of storage says since when, and the outcome, which names the request it answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date as Date
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from include.base.json_objects import REPLAY_OUTCOME, REPLAY_REQUEST, UnreadableObject, read_json
from include.base.keys import SetKey, extract_id, replay_key
from include.base.markets import LONGEST_LOCATION, LONGEST_MARKET, slug
from include.base.objects import Bucket
from include.base.refusals import Refused
from include.base.settings import Resources
from include.ledger.queues import send_again
from include.ledger.sets import Ledger
from include.sense.gates import GateClosed, Gatekeeper
from include.warehouse import rows_held
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
else:
    S3Client = SQSClient = Any

MOST_DATES = 366
MOST_SETS = 3000
"""All are asked for at once: with four transforms at a time each has nine seconds before `wait` gives up."""
NAMED_AT_MOST = 10
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_REPLAY = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_MOMENT = "%Y%m%dT%H%M%SZ"
_SLUG = re.compile(rf"[a-z0-9-]{{1,{LONGEST_MARKET}}}")

Missing = Callable[[Date, Date, list[SetKey]], list[SetKey]]
"""Asks the warehouse which of the sets kept of a span of dates it lacks."""


class ReplayRefused(Refused):
    """The run's params name nothing that could be replayed; the message says what was expected and what came."""


@dataclass(frozen=True)
class Wanted:
    """What a replay is to bring again: dates, markets by their slugs (none: all) and a source (none: all)."""

    first: Date
    last: Date
    markets: tuple[str, ...] = ()
    source: str | None = None
    only_missing: bool = False

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Wanted:
        """The params of a run; ReplayRefused for dates that are none, a span that is empty or too long."""
        first, last = (_date(name, params[name]) for name in ("from_date", "to_date"))
        days = (last - first) / timedelta(days=1) + 1
        if days < 1:
            raise ReplayRefused(f"from_date {first} is after to_date {last}: exchange them")
        if days > MOST_DATES:
            raise ReplayRefused(f"{first} to {last} are {days:g} dates; a run takes {MOST_DATES}: make several of it")
        markets = tuple(dict.fromkeys(_market(each) for each in params["markets"] or ()))
        return cls(first, last, markets, params["source"], params["only_missing"])

    def __str__(self) -> str:
        """What is looked for, in words."""
        markets = ", ".join(self.markets[:NAMED_AT_MOST]) + (", …" if len(self.markets) > NAMED_AT_MOST else "")
        return f"{self.first} to {self.last}, source {self.source or 'any'}, markets {markets or 'any'}"

    def sets(self, ledger: Ledger, missing: Missing, date: str | None = None) -> list[SetKey]:
        """The sets to bring again, of one date or of all."""
        first, last = (Date.fromisoformat(date),) * 2 if date else (self.first, self.last)
        kept = ledger.kept(first, last, self.source, self.markets)
        return missing(first, last, kept) if self.only_missing and kept else kept


@dataclass(frozen=True)
class Outcome:
    """What came of a replay's date: ids of the sets let through, and why others were not, by their manifests."""

    asked: int
    let_through: tuple[str, ...]
    refused: dict[str, str]

    @property
    def in_words(self) -> str | None:
        """What did not come, or None."""
        if not self.refused:
            return None
        named = [f"{name}: {words}" for name, words in list(self.refused.items())[:NAMED_AT_MOST]]
        more = len(self.refused) - len(named)
        return f"{len(self.refused)} of {self.asked} set(s) did not come. " + " | ".join(
            named + ([f"and {more} more"] if more else [])
        )


def missing(connection: Connection, first: Date, last: Date, kept: list[SetKey]) -> list[SetKey]:
    """Of the sets `kept` those that the warehouse lacks, or whose day is theirs and another's; migrates it first."""
    migrate(connection)
    return rows_held.missing(connection, first, last, kept)


def plan(ledger: Ledger, wanted: Wanted, missing: Missing) -> list[str]:
    """The dates that have sets to bring again; none when only what is missing was asked for and nothing is.

    ReplayRefused when raw has no set at all of the dates, or none of a market that was named, or too many.
    """
    kept = ledger.kept(wanted.first, wanted.last, wanted.source, wanted.markets)
    absent = sorted(set(wanted.markets) - {key.market for key in kept})
    if not kept or absent:
        there = sorted({key.market for key in ledger.kept(wanted.first, wanted.last, wanted.source, ())})
        raise ReplayRefused(
            f"no set lies in {ledger.where.raw_bucket} for {wanted}"
            + (f": nothing of {', '.join(absent[:NAMED_AT_MOST])}" if absent else "")
            + f". Of these dates it has {', '.join(there[:NAMED_AT_MOST]) or 'no market'}"
        )
    dates = [key.date for key in wanted.sets(ledger, missing)]
    if len(dates) > MOST_SETS:
        raise ReplayRefused(
            f"{wanted}: {len(dates)} sets, and a run takes {MOST_SETS}: make {-(-len(dates) // MOST_SETS)} or more of "
            "it, with fewer dates or markets each, one after the other"
        )
    return sorted(set(dates))


def replay_id(ledger: Ledger, run_after: datetime, run_id: str) -> str:
    """Names a replay by its run: the same when a task is cleared, and after all that asked for sets before it.

    The newest replay of a set is the one that counts: where the clock says a moment that another has, or an earlier
    one, the name goes on a second behind the last.
    """
    moment, its_run = extract_id(run_after, run_id).split("-")
    others = sorted(filter(_REPLAY.fullmatch, ledger.replays(moment)))
    if mine := [each for each in others if each.endswith(f"-{its_run}")]:
        return mine[0]
    if others:
        moment = f"{datetime.strptime(others[-1].split('-')[0], _MOMENT) + timedelta(seconds=1):{_MOMENT}}"  # noqa: DTZ007
    return f"{moment}-{its_run}"


@dataclass(frozen=True)
class _Request:
    """What a date was asked for; its id is another each time, `put_at` is by the clock of S3."""

    id: str
    sets: list[SetKey]
    put_at: datetime


@dataclass(frozen=True)
class DateReplay:
    """One date of a replay. Each step may be run again."""

    client: S3Client
    where: Resources
    replay: str
    date: str

    @classmethod
    def of(cls, client: S3Client, where: Resources, run: Any, date: str) -> DateReplay:
        """A date of the replay of a DAG's run."""
        return cls(client, where, replay_id(Ledger(client, where), run.run_after, run.run_id), date)

    def ask(self, queue: SQSClient, sets: Sequence[SetKey]) -> int:
        """Writes the request down, then sends each set's manifest in raw to the transform; counts them.

        When it dies half-way it is to be run again: the request says what was to be sent, not what was.
        """
        self._put("request", {"id": uuid4().hex, "sets": [asdict(key) for key in sets]})
        for key in sets:
            send_again(queue, self.where.transform_queue_url, self.where.raw_bucket, key.manifest)
        return len(sets)

    def missing(self) -> list[SetKey]:
        """The sets asked for that were not cleaned since, by the clock of S3, whichever clocks we have."""
        return self._missing(self._request())

    def waited_in_vain(self, seconds: float) -> str | None:
        """What to say when the time is up: how many are missing, the first by name; None when none is."""
        request = self._request()
        if not (missing := self._missing(request)):
            return None
        named = "; ".join(f"{key.manifest}: {self.diagnosis(key)}" for key in missing[:NAMED_AT_MOST])
        return (
            f"{len(missing)} of {len(request.sets)} set(s) of {self.date} did not come in {seconds:g} s. Perhaps only "
            f"the queue is long, {self.where.transform_queue_url}, which all dates share: then wait until it is empty "
            f"and clear `wait`. {named}"
        )

    def diagnosis(self, key: SetKey) -> str:
        """Where to look for a set that does not come."""
        return (
            "not cleaned: the set is stuck before transform_listings. Look into the function's log and its dead-letter "
            f"queue {self.where.transform_dead_letter_url} for {key.manifest}; mend the cause, then replay it again"
        )

    def let_through(self, gates: Gatekeeper, look_at: Callable[[SetKey], object] = lambda key: None) -> Outcome:
        """Lets those that came through their gates and writes the outcome down; order of no account.

        `look_at` is given each set that came, before its gates.
        """
        request = self._request()
        missing = set(self._missing(request))
        passed, refused = [], {}
        for key in request.sets:
            if key in missing:
                refused[key.manifest] = self.diagnosis(key)
                continue
            try:
                look_at(key)
                passed.append(gates.let_through(key, self.replay).set_id)
            except (GateClosed, UnreadableObject, ClientError, BotoCoreError) as closed:
                refused[key.manifest] = str(closed)
        outcome = Outcome(len(request.sets), tuple(passed), refused)
        self._put("outcome", {"request": request.id, **asdict(outcome)})
        return outcome

    @property
    def outcome_url(self) -> str:
        """Where the outcome lies."""
        return f"s3://{self.where.clean_bucket}/{replay_key(self.replay, self.date, 'outcome')}"

    def outcome(self) -> Outcome | None:
        """What `let_through` wrote down of the last request; None when it did of an earlier one only."""
        found, request = self._get("outcome"), self._get("request")
        if not found or not request or found[0]["request"] != request[0]["id"]:
            return None
        values = found[0]
        return Outcome(values["asked"], tuple(values["let_through"]), values["refused"])

    def rest(self) -> str | None:
        """What did not come, in words, or None."""
        outcome = self.outcome()
        return outcome.in_words if outcome else "it was not let through since it was asked for: clear let_through"

    def _missing(self, request: _Request) -> list[SetKey]:
        return [key for key in request.sets if not self._is_clean_since(key, request.put_at)]

    def _request(self) -> _Request:
        found = self._get("request")
        if found is None:
            raise LookupError(f"{self.date}: nothing was asked for, the task before this one failed")
        values, put_at = found
        return _Request(values["id"], [SetKey(**each) for each in values["sets"]], put_at)

    @property
    def _clean(self) -> Bucket:
        return Bucket(self.client, self.where.clean_bucket)

    def _is_clean_since(self, key: SetKey, since: datetime) -> bool:
        success = key.success(self.where.transform_version)
        head = self._clean.head(success)
        # S3 tells whole seconds: what is of the same second counts, or it would be waited for in vain.
        return head is not None and head["LastModified"] >= since

    def _get(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        key = replay_key(self.replay, self.date, name)
        found = self._clean.open(key)
        kind = {"request": REPLAY_REQUEST, "outcome": REPLAY_OUTCOME}[name]
        return (
            None
            if found is None
            else (read_json(found["Body"].read(), self._clean.uri(key), kind), found["LastModified"])
        )

    def _put(self, name: str, body: Mapping[str, Any]) -> None:
        text = json.dumps({"replay": self.replay, "date": self.date, **body}, indent=1).encode()
        self._clean.put(replay_key(self.replay, self.date, name), text)


def unfinished(ti: Any, run: Any, *names: str) -> str | None:
    """Which tasks of an instance's own group and date ended neither well nor skipped, and how; None when all did.

    What lies in S3 may be of an earlier try of theirs.
    """
    ids = [f"{ti.task_id.rpartition('.')[0]}.{name}" for name in names]
    found = ti.get_task_states(dag_id=run.dag_id, map_index=ti.map_index, task_ids=ids, run_ids=[run.run_id])
    # The states are by "<task id>_<map index>".
    states = {task.rpartition(".")[2].rpartition("_")[0]: state for task, state in found.get(run.run_id, {}).items()}
    ended = {name: str(states.get(name)) for name in names}
    failed = [f"{name} ended as {state}" for name, state in ended.items() if state not in ("success", "skipped")]
    return " and ".join(failed) or None


def _date(name: str, value: Any) -> Date:
    try:
        if not _DATE.fullmatch(str(value)):
            raise ValueError
        return Date.fromisoformat(value)
    except ValueError:
        raise ReplayRefused(f"{name} {str(value)[:40]!r}: expected a date like 2026-11-22") from None


def _market(name: Any) -> str:
    text = str(name).strip()
    if not text or not text.isprintable() or len(text) > LONGEST_LOCATION:
        raise ReplayRefused(
            f"market {text[:60]!r}: expected 1 to {LONGEST_LOCATION} printable characters, the name in the keys like "
            'houston-tx or the location like "houston, tx"'
        )
    return text if _SLUG.fullmatch(text) else slug(text)
