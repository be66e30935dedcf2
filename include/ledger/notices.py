"""Knows what was said already: a notice that a person needs once is put once.

Who mails looks first (`is_given`) and puts the notice when the mail has gone: a mail that did not go is tried again,
and one that went before a crash comes twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.base.keys import notice_key
from include.base.objects import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


def first_time(client: S3Client, bucket: str, date: str, name: str, body: Mapping[str, Any]) -> bool:
    """Puts the notice `name` of a date; True for the one who put it, False when it lies there already.

    :param name: of a-z, 0-9, `~` and dashes, like `drift~zillow56~houston-tx`; the same news, the same name.
    """
    return Bucket(client, bucket).put_once(notice_key(date, name), json.dumps(body, indent=1).encode())


def is_given(client: S3Client, bucket: str, date: str, name: str) -> bool:
    """Whether the notice `name` of a date lies there."""
    return name in given(client, bucket, date, name)


def given(client: S3Client, bucket: str, date: str, beginning: str) -> dict[str, datetime]:
    """The notices of a date whose names begin so, and when each was put."""
    folder, ending = notice_key(date, "x").split("x.")
    listed = Bucket(client, bucket).listed(folder + beginning)
    return {key.removeprefix(folder).removesuffix(f".{ending}"): put_at for key, put_at in listed}
