"""transform_listings' handler: verified raw in, Parquet and _SUCCESS.json last out."""

import hashlib
import importlib.util
import io
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.base.objects import Bucket
from include.base.set_records import Success
from include.contract.families import compile_source, known_sources
from include.contract.listing import compile_contract
from tests.support.memory_s3 import MemoryS3
from tests.support.record_schemas import complaints
from tests.support.transform_code import FOLDER, PREFIX, fixture, manifest_of

MANIFEST_KEY = f"{PREFIX}_manifest.json"
TARGET = f"{PREFIX}transform=0123456789ab/"
UNREADABLE = b"<html>busy</html>"


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The handler as the build lays it out: with the compiled contract and adapters beside it."""
    shutil.copy(FOLDER / "handler.py", tmp_path)
    (tmp_path / "version.txt").write_text("0123456789ab\n")
    (tmp_path / "contract.json").write_text(json.dumps(compile_contract()))
    (tmp_path / "sources.json").write_text(json.dumps({name: compile_source(name) for name in known_sources()}))
    spec = importlib.util.spec_from_file_location("transform_listings_handler", tmp_path / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("CLEAN_BUCKET", "clean")
    monkeypatch.setenv("TRANSFORM_VERSION", "0123456789ab")
    return module


def raw_set(*pages: tuple[bytes, int], **changes: Any) -> MemoryS3:
    """S3 with a whole set in the raw bucket."""
    s3 = MemoryS3("raw", "clean")
    for number, (body, _) in enumerate(pages, 1):
        s3.put_object(Bucket="raw", Key=f"{PREFIX}page-{number:04d}.json", Body=body)
    s3.put_object(Bucket="raw", Key=MANIFEST_KEY, Body=json.dumps(manifest_of(pages, **changes)).encode())
    return s3


def run(function: ModuleType, s3: MemoryS3) -> list[str]:
    """Runs the handler on the set's event and returns the ids of failed messages."""
    function.s3 = s3  # type: ignore[attr-defined]
    event = {"Records": [{"s3": {"bucket": {"name": "raw"}, "object": {"key": MANIFEST_KEY.replace("=", "%3D")}}}]}
    records = [{"messageId": "m1", "body": json.dumps(event)}]
    return [each["itemIdentifier"] for each in function.handler({"Records": records}, None)["batchItemFailures"]]


def cleaned(s3: MemoryS3, name: str) -> bytes:
    """The bytes of one output."""
    return s3.buckets["clean"][TARGET + name].body


def test_success_says_what_was_made_of_the_set(function: ModuleType) -> None:
    """Counts, reasons, oddities and the files' checksums are in _SUCCESS.json, written last."""
    s3 = raw_set((fixture("zillow56"), 6), (UNREADABLE, 5))
    assert [] == run(function, s3)
    success = json.loads(cleaned(s3, "_SUCCESS.json"))
    files = success.pop("files")
    assert {
        "success_version": 1,
        "source": "zillow56",
        "market": "houston-tx",
        "date": "2026-11-22",
        "extract_id": "20261122T060003Z-1f3a9c",
        "observed_at": "2026-11-22T06:00:05.123456Z",
        "transform_version": "0123456789ab",
        "contract_version": compile_contract()["version"],
        "manifest_sha256": hashlib.sha256(s3.buckets["raw"][MANIFEST_KEY].body).hexdigest(),
        "counts": {"landed": 11, "clean": 4, "rejected": 1, "duplicates": 1, "not_listings": 0, "unreadable": 5},
        "pages": 2,
        "pages_unreadable": 1,
        "rejects_by_reason": {"page_unreadable": 1, "price_invalid": 1},
        "oddities": {
            "home_type_unknown": 1,
            "no_coordinates": 1,
            "plot": 1,
            "price_suffix": 1,
            "price_zero": 1,
            "rent_like_price": 1,
        },
        "unknown_fields": {},
        "absent_columns": [],
        "impossible_columns": [],
        "absent_claims": ["pages_claimed", "listings_claimed"],
    } == success
    for name, rows in (("listings.parquet", 4), ("rejects.parquet", 2)):
        body = cleaned(s3, name)
        assert {"rows": rows, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} == files[name]
        assert rows == pq.read_metadata(io.BytesIO(body)).num_rows
    assert ("put_object", f"{TARGET}_SUCCESS.json") == s3.calls[-1]


def test_success_has_the_form_of_its_schema_and_its_reader_takes_it(function: ModuleType) -> None:
    """What is written has every part and no other; read back it has the same counts, which add up."""
    s3 = raw_set((fixture("zillow56"), 6), (UNREADABLE, 5))
    run(function, s3)
    written = json.loads(cleaned(s3, "_SUCCESS.json"))

    assert [] == complaints("success", written)
    assert ["$.counts: 'clean' is a required property"] == complaints(
        "success", {**written, "counts": {name: n for name, n in written["counts"].items() if name != "clean"}}
    )
    read = Success.read(Bucket(s3, "clean"), f"{TARGET}_SUCCESS.json")
    assert written["counts"] == {"landed": read.counts.landed, **read.counts.parts}
    assert (True, 6, 11) == (read.counts.adds_up, read.counts.lost, read.counts.listings)
    assert written["files"]["rejects.parquet"]["sha256"] == read.files["rejects.parquet"].sha256
    assert ("pages_claimed", "listings_claimed") == read.absent_claims


def test_cleaning_again_gives_the_same_bytes(function: ModuleType) -> None:
    """A second delivery of the event changes nothing."""
    s3 = raw_set((fixture("zillow56"), 6))
    run(function, s3)
    before = {key: found.body for key, found in s3.buckets["clean"].items()}
    assert [] == run(function, s3)
    assert before == {key: found.body for key, found in s3.buckets["clean"].items()}


def test_more_pages_than_are_fetched_ahead_come_in_order(function: ModuleType) -> None:
    """Fetching ahead loses no page and mixes none up."""
    pages = [(json.dumps({"results": [{"zpid": number, "price": 1}]}).encode(), 1) for number in range(1, 31)]
    s3 = raw_set(*pages)
    assert [] == run(function, s3)
    assert list(range(1, 31)) == pq.read_table(io.BytesIO(cleaned(s3, "listings.parquet")))["zpid"].to_pylist()


def test_bytes_that_differ_from_the_manifest_publish_nothing(
    function: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """A page changed in raw fails the message and names the page; there is no _SUCCESS.json."""
    s3 = raw_set((fixture("zillow56"), 6))
    s3.put_object(Bucket="raw", Key=f"{PREFIX}page-0001.json", Body=b"{}")
    assert ["m1"] == run(function, s3)
    assert {} == s3.buckets["clean"]
    assert "page-0001.json holds 2 bytes" in caplog.text


def test_an_unknown_family_fails_and_names_the_known_ones(
    function: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """A set of a family that this build has no adapter for waits for a build that has."""
    assert ["m1"] == run(function, raw_set((b"{}", 0), source="zillow99"))
    assert "no adapter for the API family 'zillow99'; this build has zillow-com1, zillow-com4, zillow-" in caplog.text


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"pages": [{}]}'])
def test_a_manifest_that_another_hand_wrote_is_named(function: ModuleType, body: bytes) -> None:
    """Nothing is cleaned, and the error has its address and what to do."""
    s3 = raw_set((fixture("zillow56"), 6))
    s3.put_object(Bucket="raw", Key=MANIFEST_KEY, Body=body)
    with pytest.raises(RuntimeError, match=f"^s3://raw/{MANIFEST_KEY} is no manifest .* Put back the version"):
        function.clean_set(s3, "raw", "clean", MANIFEST_KEY, "0123456789ab")
    assert {} == s3.buckets["clean"]


def test_code_under_another_version_cleans_nothing(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A deployment updates code and environment one after the other: what comes in between comes again."""
    s3 = raw_set((fixture("zillow56"), 6))
    monkeypatch.setenv("TRANSFORM_VERSION", "ba9876543210")
    assert ["m1"] == run(function, s3)
    assert {} == s3.buckets["clean"]
    assert "expected TRANSFORM_VERSION=0123456789ab, the version of this code, found ba9876543210" in caplog.text
    monkeypatch.setenv("TRANSFORM_VERSION", "0123456789ab")
    assert [] == run(function, s3)
