"""The door to a bucket: what is absent is None, what is put once stays, and nothing else is swallowed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.base.objects import Bucket
from tests.support.memory_s3 import MemoryS3

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def bucket() -> Bucket:
    """A bucket in memory with three objects in two folders."""
    s3 = MemoryS3("clean", clock=lambda: AT)
    bucket = Bucket(s3, "clean")  # type: ignore[arg-type]
    for key in ("a/1", "a/2", "b/1"):
        bucket.put(key, key.encode())
    return bucket


class Refusing:
    """S3 that answers everything with one error."""

    def __init__(self, code: str, status: int) -> None:
        self.code, self.status = code, status

    def _refuse(self, **_: Any) -> Any:
        answer = {"Error": {"Code": self.code}, "ResponseMetadata": {"HTTPStatusCode": self.status}}
        raise ClientError(answer, "Any")  # type: ignore[arg-type]

    get_object = head_object = put_object = _refuse


def test_what_is_not_there_is_none(bucket: Bucket) -> None:
    """An absent object is None by every way of asking; one that is there is its bytes, or as many as are wanted."""
    assert (None, None, None) == (bucket.get("c"), bucket.head("c"), bucket.open("c"))
    assert (b"a/1", b"a/", b"a/1") == (bucket.get("a/1"), bucket.get("a/1", 2), bucket.read("a/1"))
    with pytest.raises(ClientError, match="NoSuchKey"):
        bucket.read("c")


def test_what_is_put_once_stays(bucket: Bucket) -> None:
    """The second put of a key is told so and changes nothing."""
    assert (True, False) == (bucket.put_once("c", b"first"), bucket.put_once("c", b"second"))
    assert b"first" == bucket.get("c")


def test_a_list_has_every_key_with_its_moment(bucket: Bucket) -> None:
    """All below the prefix, or those after a key; folders are one level."""
    assert [("a/1", AT), ("a/2", AT)] == list(bucket.listed("a/"))
    assert ["a/2", "b/1"] == [key for key, _ in bucket.listed("", after="a/1")]
    assert ["a/", "b/"] == list(bucket.folders(""))


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NoSuchBucket", 404), ("SlowDown", 503)])
def test_nothing_else_is_swallowed(code: str, status: int) -> None:
    """Neither a bucket that is gone, nor a missing right, nor a fault that passes, is an absent object."""
    bucket = Bucket(Refusing(code, status), "clean")  # type: ignore[arg-type]
    for ask in (bucket.get, bucket.head, bucket.open, lambda key: bucket.put_once(key, b"")):
        with pytest.raises(ClientError, match=code):
            ask("a")
