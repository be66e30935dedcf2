"""copy_raw: every page verified, put once, the manifest last, whatever happens in between."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from lambda_functions.copy_raw import handler as copy_raw
from tests.support.memory_s3 import MemoryS3
from tests.support.transform_code import PREFIX, manifest_of

PAGES = [b'{"results": [1]}', b'{"results": [2, 3]}', b'{"results": []}']
MANIFEST_KEY = f"{PREFIX}_manifest.json"
MANIFEST = json.dumps(manifest_of([(body, 1) for body in PAGES])).encode()
WHOLE = {f"{PREFIX}page-{number:04d}.json": body for number, body in enumerate(PAGES, 1)} | {MANIFEST_KEY: MANIFEST}


class Dying(RuntimeError):
    """Stands for the end of the process."""


class DyingS3(MemoryS3):
    """Dies at the put after `puts` successful ones, and at every one after that."""

    def __init__(self, *buckets: str, puts: int = 1000) -> None:
        super().__init__(*buckets)
        self.puts_left = puts

    def put_object(self, **asked: Any) -> dict[str, Any]:
        """As S3, or dies."""
        if asked["Bucket"] == "raw":
            self.puts_left -= 1
            if self.puts_left < 0:
                raise Dying
        return super().put_object(**asked)


def landed(puts: int = 1000) -> DyingS3:
    """S3 with the whole set in the landing bucket."""
    s3 = DyingS3("landing", "raw", puts=puts)
    for key, body in WHOLE.items():
        s3.put_object(Bucket="landing", Key=key, Body=body)
    s3.calls.clear()
    return s3


def in_raw(s3: MemoryS3) -> dict[str, bytes]:
    """Keys and bytes of the raw bucket."""
    return {key: found.body for key, found in s3.buckets["raw"].items()}


def message(key: str = MANIFEST_KEY, message_id: str = "m1", bucket: str = "landing") -> dict[str, Any]:
    """An SQS message with the event that S3 sends of a key."""
    event = {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}}]}
    return {"messageId": message_id, "body": json.dumps(event)}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the handler over messages with a given S3, and returns the ids of those that failed."""

    def handle(s3: MemoryS3, *messages: dict[str, Any]) -> list[str]:
        monkeypatch.setenv("RAW_BUCKET", "raw")
        monkeypatch.setattr(copy_raw, "s3", s3)
        failures = copy_raw.handler({"Records": list(messages)}, None)["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in failures]

    return handle


def test_a_set_is_copied_whole_with_its_manifest_last(run: Any) -> None:
    """Raw gets the same bytes under the same keys, and the manifest after every page."""
    s3 = landed()
    assert [] == run(s3, message())
    assert in_raw(s3) == WHOLE
    assert ("put_object", MANIFEST_KEY) == s3.calls[-1]


@pytest.mark.parametrize("puts", range(4))
def test_it_may_die_after_any_put_and_be_repeated(puts: int, run: Any) -> None:
    """Before the last put there is no manifest in raw; repeating completes the set."""
    s3 = landed(puts)
    assert ["m1"] == run(s3, message())
    assert puts == len(in_raw(s3))
    assert MANIFEST_KEY not in in_raw(s3)
    s3.puts_left = 1000
    assert [] == run(s3, message())
    assert in_raw(s3) == WHOLE


def test_repeating_it_changes_nothing(run: Any) -> None:
    """A second delivery of the event is a success that writes no object."""
    s3 = landed()
    run(s3, message())
    before = dict(s3.buckets["raw"])
    assert [] == run(s3, message())
    assert before == s3.buckets["raw"]


@pytest.mark.parametrize("key", [*WHOLE])
def test_other_content_in_raw_is_an_error_that_names_both(key: str, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What stands in raw is never overwritten, and the difference is said with both hashes."""
    s3 = landed()
    s3.put_object(Bucket="raw", Key=key, Body=b"other")
    assert ["m1"] == run(s3, message())
    assert b"other" == in_raw(s3)[key]
    assert "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa" in caplog.text  # sha256 of "other"
    assert copy_raw._sha256(WHOLE[key]) in caplog.text


def test_a_page_that_differs_from_the_manifest_never_reaches_raw(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes changed after landing stop the set at that page, without a manifest in raw."""
    s3 = landed()
    s3.put_object(Bucket="landing", Key=f"{PREFIX}page-0002.json", Body=b"tampered")
    assert ["m1"] == run(s3, message())
    assert not {f"{PREFIX}page-0002.json", MANIFEST_KEY} & set(in_raw(s3))
    assert "page-0002.json holds 8 bytes" in caplog.text
    assert "its manifest says 19 bytes" in caplog.text


def test_only_the_failed_messages_come_again(run: Any) -> None:
    """One bad message in a batch does not repeat the good ones, nor hide them."""
    s3 = landed()
    bad = message(MANIFEST_KEY.replace("houston", "nowhere"), "bad")
    broken = {"messageId": "broken", "body": "no JSON"}
    assert ["bad", "broken"] == run(s3, bad, message(), broken)
    assert in_raw(s3) == WHOLE


def test_the_test_event_of_s3_is_ignored(run: Any) -> None:
    """S3 sends it once when notifications are set up; it names no object."""
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}
    assert [] == run(landed(), {"messageId": "m1", "body": json.dumps(event)})


def test_a_key_is_decoded_as_s3_encoded_it() -> None:
    """S3 writes = as %3D and a space as + in its events."""
    (found,) = copy_raw.manifests(
        json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a%3Db/c+d/_manifest.json"}}}]})
    )
    assert ("b", "a=b/c d/_manifest.json") == found


def test_a_manifest_cannot_name_an_object_outside_its_set(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A page's name is a page's name, not a path."""
    s3 = landed()
    manifest = json.loads(MANIFEST)
    manifest["pages"][0]["name"] = "../secret.json"
    s3.put_object(Bucket="landing", Key=MANIFEST_KEY, Body=json.dumps(manifest).encode())
    assert ["m1"] == run(s3, message())
    assert "names a page '../secret.json'" in caplog.text


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"pages": [{}]}'])
def test_a_manifest_that_another_hand_wrote_is_named(body: bytes) -> None:
    """Nothing is copied, and the error has its address and what to do."""
    s3 = landed()
    s3.put_object(Bucket="landing", Key=MANIFEST_KEY, Body=body)
    with pytest.raises(
        copy_raw.CopyError, match=f"^s3://landing/{MANIFEST_KEY} is no manifest .* Put back the version"
    ):
        copy_raw.copy_set(s3, "landing", "raw", MANIFEST_KEY)
    assert {} == in_raw(s3)
