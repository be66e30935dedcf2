"""Knows how it is told that an API sends fields that its adapter does not know: each once per market and day.

The set goes on, and raw keeps the fields. What was told is a notice per field, so that a field that comes later on
the same day is still news. A field's path is as the transform wrote it: one line of at most 100 characters.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from include.keys import SetKey
from include.notices import first_time
from include.settings import Resources

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
    news = [path for path in fields if _is_news(client, where, key, path, fields[path])]
    if news:
        send(
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
    return news


def _is_news(client: S3Client, where: Resources, key: SetKey, path: str, count: int) -> bool:
    # A path may hold what a key must not.
    name = f"drift~{key.source}~{key.market}~{sha256(path.encode()).hexdigest()[:12]}"
    notice = {"field": path, "listings": count, "set": key.manifest}
    return first_time(client, where.clean_bucket, key.date, name, notice)
