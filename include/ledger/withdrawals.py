"""Withdrawn sets: an object per set in the raw bucket, where nothing expires. Without the object the set counts again.

A set that is withdrawn is no candidate for its day. Its pages stay in raw.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.base.keys import SetKey, market_prefix, parse_withdrawal, withdrawal_key, withdrawn_prefix
from include.base.objects import Bucket
from include.base.refusals import Refused
from include.base.settings import Resources

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

LONGEST_REASON = 300
"""Characters of a reason, as it is given and as it is read."""
_MOST_BYTES = 16 * 1024
_NAMED_AT_MOST = 10


class WithdrawalRefused(Refused):
    """The set or the reason cannot be taken; the message says what was expected and what came."""


def of_date(client: S3Client, bucket: str, date: str) -> dict[SetKey, str]:
    """Return the withdrawn sets of a date with their reasons, each one line of at most LONGEST_REASON characters.

    :param bucket: the raw bucket
    """
    found = {}
    for name, _ in Bucket(client, bucket).listed(withdrawn_prefix(date)):
        if (key := parse_withdrawal(name)) and (body := _read(client, bucket, key)) is not None:
            found[key] = _reason(body)
    return found


def withdraw(client: S3Client, where: Resources, key: SetKey, reason: str, by: str, at: datetime) -> str:
    """Withdraw a set that lies in raw and return what came of it, in words.

    The first withdrawal of a set stays as it was given. Raises WithdrawalRefused for a set that is not in raw and for
    a reason that is empty, longer than LONGEST_REASON, or more than one line.
    """
    reason = reason.strip()
    if not reason or not reason.isprintable() or len(reason) > LONGEST_REASON:
        raise WithdrawalRefused(
            f"reason {reason[:60]!r} ({len(reason)} characters): expected one line of 1 to {LONGEST_REASON} printable "
            'characters, like "the search was for another town"'
        )
    _refuse_unknown(client, where, key)
    body = {"set": key.name, "reason": reason, "by": by, "at": at.astimezone(UTC).isoformat()}
    text = json.dumps(body, indent=1, ensure_ascii=False).encode()
    if not Bucket(client, where.raw_bucket).put_once(withdrawal_key(key), text):
        first = _reason(_read(client, where.raw_bucket, key) or b"")
        return f"{key.name} was withdrawn before, and the first reason stays: {first}"
    return f"{key.name} is withdrawn: {reason}"


def give_back(client: S3Client, where: Resources, key: SetKey) -> str:
    """Delete the withdrawal of a set and return what came of it, in words.

    Raises WithdrawalRefused for a set that is neither withdrawn nor in raw.
    """
    if (body := _read(client, where.raw_bucket, key)) is None:
        _refuse_unknown(client, where, key)
        return f"{key.name} was not withdrawn: nothing is to be given back"
    client.delete_object(Bucket=where.raw_bucket, Key=withdrawal_key(key))
    return f"{key.name} is given back. It had been withdrawn: {_reason(body)}"


def _refuse_unknown(client: S3Client, where: Resources, key: SetKey) -> None:
    prefix = market_prefix(key.source, key.market, key.date)
    found = {name: SetKey.of(name) for name, _ in Bucket(client, where.raw_bucket).listed(prefix)}
    there = [each.name for name, each in found.items() if each and name == each.manifest]
    if key.name not in there:
        more = [f"and {len(there) - _NAMED_AT_MOST} more"] if len(there) > _NAMED_AT_MOST else []
        raise WithdrawalRefused(
            f"no set {key.name} lies in {where.raw_bucket}. Of that market and date it has "
            f"{', '.join(there[:_NAMED_AT_MOST] + more) or 'none'}"
        )


def _read(client: S3Client, bucket: str, key: SetKey) -> bytes | None:
    """The first bytes of a set's withdrawal, or None where there is none: another hand may have taken it away."""
    return Bucket(client, bucket).get(withdrawal_key(key), _MOST_BYTES)


def _reason(body: bytes) -> str:
    """The reason, as one line. A person may have put the object by hand, and no slip of theirs undoes it."""
    try:
        reason = json.loads(body)["reason"]
    except (ValueError, RecursionError, TypeError, KeyError):
        reason = None
    line = _one_line(reason)[:LONGEST_REASON].rstrip() if isinstance(reason, str) else ""
    return line or "the reason cannot be read: its object is not JSON with a text under `reason`"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
