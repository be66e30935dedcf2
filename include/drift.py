"""Knows how it is told that an API sends fields that its adapter does not know: each once per market and day.

The set goes on, and raw keeps the fields. What was told is a notice per field, so that a field that comes later on
the same day is still news. The notice follows the mail: what a mail server that was down did not take stays news, and
of two sets that are looked at in one moment both may tell. A field's path is as the transform wrote it: one line of
at most 100 characters.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from include.keys import SetKey
from include.notices import first_time, given
from include.settings import Resources, tuning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

_log = logging.getLogger(__name__)


def tell_unknown_fields(
    client: S3Client, where: Resources, key: SetKey, send: Callable[[str, list[str]], bool]
) -> list[str]:
    """Logs the unknown fields of a clean set, and mails those that are news; returns the paths that are.

    :param send: mails lines under a subject, like `include.alerts.send`.
    """
    body = client.get_object(Bucket=where.clean_bucket, Key=key.success(where.transform_version))["Body"].read()
    success = json.loads(body)
    fields: dict[str, int] = success["unknown_fields"]
    if not fields:
        return []
    readable = success["counts"]["landed"] - success["counts"]["unreadable"]
    lines = {path: f"{path}: in {count} of {readable} listings" for path, count in fields.items()}
    _log.warning("%s: fields that the adapter does not know: %s", key.manifest, "; ".join(lines.values()))
    told = given(client, where.clean_bucket, key.date, _notice(key))
    news = [path for path in fields if _notice(key, path) not in told]
    if news:
        is_sent = send(
            f"Unknown fields: {key.source}, {key.market}, {key.date}",
            [
                f"{key.source} sends fields for {key.market} that its adapter does not know:",
                "",
                *(lines[path] for path in news),
                "",
                f"Set: {key.manifest}",
                "Raw keeps them, and the set goes on without them. This is said once per field, market and day.",
                f"Put each into include/schemas/sources/{key.source}.yaml: a rule under `columns` where it is to be "
                "read, else its path under `ignored`.",
            ],
        )
        if is_sent or not tuning().alert_to:
            for path in news:
                notice = {"field": path, "listings": fields[path], "set": key.manifest}
                first_time(client, where.clean_bucket, key.date, _notice(key, path), notice)
    return news


def _notice(key: SetKey, path: str | None = None) -> str:
    """The name of the notice of a field, or what those of the market begin with."""
    # A path may hold what a key must not.
    return f"drift~{key.source}~{key.market}~" + ("" if path is None else sha256(path.encode()).hexdigest()[:12])
