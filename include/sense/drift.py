"""Knows how it is told that an API sends what its adapter does not know, or claims no more: once per market and day.

The set goes on, and raw keeps the fields. What was told is a notice per field, so that a field that comes later on
the same day is still news. The notice follows the mail: what a mail server that was down did not take stays news, and
of two sets that are looked at in one moment both may tell. A field's path is as the transform wrote it: one line of
at most 100 characters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.base.keys import SetKey, field_notice, field_notices
from include.base.objects import Bucket
from include.base.set_records import Success
from include.base.settings import Resources, tuning
from include.contract.families import load_source
from include.ledger.notices import first_time, given

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

_log = logging.getLogger(__name__)


def tell_unknown_fields(
    client: S3Client, where: Resources, key: SetKey, send: Callable[[str, list[str]], bool]
) -> list[str]:
    """Logs the unknown fields of a clean set and the claims that are gone, and mails what is news; returns its paths.

    :param send: mails lines under a subject, like `include.alerts.send`.
    """
    record = key.success(where.transform_version)
    clean = Bucket(client, where.clean_bucket)
    success = Success.read(clean, record)
    fields = success.unknown_fields
    gone, adapter = _claims_gone(key.source, success), f"include/schemas/sources/{key.source}.yaml"
    if not fields and not gone:
        return []
    searched = success.counts.listings - success.counts.unreadable
    lines = {path: f"{path}: in {count} of {searched} listings" for path, count in fields.items()}
    lines |= {path: f"{path}: on no page, so that nobody knows how much there is" for path in gone}
    if fields:
        _log.warning(
            "%s: fields that the adapter does not know: %s", key.manifest, "; ".join(lines[path] for path in fields)
        )
    if gone:
        _log.warning("%s: claims that are gone: %s", key.manifest, ", ".join(gone))
    told = given(client, where.clean_bucket, key.date, field_notices(key))
    news = [path for path in lines if field_notice(key, path) not in told]
    if news:
        is_sent = send(
            f"{'Unknown fields' if fields else 'No claims'}: {key.source}, {key.market}, {key.date}",
            [
                f"{key.source} sends fields for {key.market} that its adapter does not know:"
                if fields
                else f"{key.source} does not say any more how much there is in {key.market}:",
                "",
                *(lines[path] for path in news),
                "",
                f"Set: {key.manifest}",
                "Raw keeps all, and the set goes on without. This is said once per path, market and day.",
                *(
                    [f"Let `page_facts` of {adapter} say where it stands now: else no day is seen whole."]
                    if gone
                    else []
                ),
                *(
                    [f"Put each into {adapter}: a rule under `columns`, else its path under `ignored`."]
                    if fields
                    else []
                ),
            ],
        )
        if is_sent or not tuning().alert_to:
            for path in news:
                notice = {"field": path, "listings": fields.get(path, 0), "set": key.manifest}
                first_time(client, where.clean_bucket, key.date, field_notice(key, path), notice)
    return news


def _claims_gone(source: str, success: Success) -> list[str]:
    """Where the family's pages claim how much there is, of a set with listings on none of whose pages it stood."""
    facts = load_source(source).adapter.page_facts
    paths = {"pages_claimed": facts.get("total_pages"), "listings_claimed": facts.get("total_listings")}
    absent = success.absent_claims if success.counts.landed else ()
    return [" or ".join(places) for claim, places in paths.items() if places and claim in absent]
