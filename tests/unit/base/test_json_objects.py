"""Every JSON object of ours in S3 is read so that one which another hand wrote is named, with what to do."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.base.json_objects import UnreadableObject
from include.base.keys import OPEN_PARTITIONS, SAID_PARTITIONS, quota_key, replay_key, report_key
from include.extract import landing
from include.extract.quota_account import Limits
from include.extract.quota_ledger import QuotaLedger
from include.ledger.sets import Ledger
from include.reconcile import open_partitions
from include.replay.steps import DateReplay
from include.report.store import ReportStore, StoreTrouble
from include.sense.drift import tell_unknown_fields
from include.sense.gates import Gatekeeper
from tests.support.examples import KEY, RESOURCES, VERSION, buckets, put_clean_set
from tests.support.memory_s3 import MemoryS3

INCLUDE = Path(landing.__file__).parents[1]
MARKER, SUCCESS = KEY.ready(VERSION), KEY.success(VERSION)
REPLAY = "20261122T070000Z-1f3a"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _quota(s3: MemoryS3) -> object:
    return QuotaLedger(s3, "landing", "zillow56", Limits(0, 0), lambda: NOON).account()


def _replay(s3: MemoryS3) -> DateReplay:
    return DateReplay(s3, RESOURCES, REPLAY, KEY.date)


READERS: dict[str, tuple[str, str, Callable[[MemoryS3], object], str]] = {
    "quota entry": ("landing", quota_key("zillow56", "2026-11", 7), _quota, "account.*Put back the version"),
    "manifest, announced again": (
        "landing", KEY.manifest, lambda s3: landing.receipt(s3.buckets["landing"][KEY.manifest].body, f"s3://landing/{KEY.manifest}"),
        "source.*Put back the version",
    ),
    "_SUCCESS.json at the gates": (
        "clean", SUCCESS, lambda s3: Gatekeeper(s3, RESOURCES, 0.05).let_through(KEY), "observed_at.*make replay",
    ),
    "_SUCCESS.json for its fields": (
        "clean", SUCCESS, lambda s3: tell_unknown_fields(s3, RESOURCES, KEY, lambda subject, lines: True),
        "observed_at.*make replay",
    ),
    "ready marker": ("clean", MARKER, lambda s3: Ledger(s3, RESOURCES).read_ready(MARKER), "Delete it: reconcile"),
    "open partitions": (
        "clean",
        OPEN_PARTITIONS,
        lambda s3: open_partitions.note(s3, "clean", ["a|b"]),
        "partitions.*Delete it: reconcile",
    ),
    "said partitions": (
        "clean",
        SAID_PARTITIONS,
        lambda s3: open_partitions.unsaid(s3, "clean", ["a|b"]),
        "partitions.*Delete it: reconcile",
    ),
    "request of a replay": (
        "clean", replay_key(REPLAY, KEY.date, "request"), lambda s3: _replay(s3).missing(), "id.*Start another replay",
    ),
    "outcome of a replay": (
        "clean", replay_key(REPLAY, KEY.date, "outcome"), lambda s3: _replay(s3).outcome(),
        "request.*Clear let_through",
    ),
}  # fmt: skip


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"\xff{", b"[" * 100_000], ids=["{}", "[]", "", "bytes", "deep"])
@pytest.mark.parametrize("which", READERS)
def test_an_object_that_another_hand_wrote_is_named(which: str, body: bytes) -> None:
    """The error has its address, what was expected, and what to do."""
    bucket, key, read, words = READERS[which]
    s3 = buckets()
    put_clean_set(s3)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    with pytest.raises(UnreadableObject, match=f"^s3://{bucket}/{key} is no ") as raised:
        read(s3)
    missing, todo = words.split(".*") if ".*" in words else ("", words)
    assert todo in str(raised.value)
    if body == b"{}" and missing:
        assert f"expected {missing} in it, came nothing" in str(raised.value)


def test_a_report_that_another_hand_wrote_says_what_to_do() -> None:
    """The page's sentence has the address too."""
    s3 = MemoryS3("clean")
    s3.put_object(Bucket="clean", Key=report_key(KEY.date, "report.json"), Body=b"{}")
    with pytest.raises(StoreTrouble, match=r"s3://clean/reports/.*expected generated_at.*Delete it: the next run"):
        ReportStore(s3, "clean").summary(KEY.date)


def test_json_of_ours_has_one_reader() -> None:
    """Elsewhere in include JSON is read that others wrote: pages, messages of S3, a withdrawal, a subprocess."""
    others = {"contract/families.py", "ledger/queues.py", "ledger/withdrawals.py", "report/page/parts.py"}
    loads = {
        path.relative_to(INCLUDE).as_posix()
        for path in INCLUDE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "loads"
    }
    assert others | {"base/json_objects.py"} == loads
