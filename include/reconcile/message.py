"""The one message that says what only a person can mend, and how: a heading per kind, names, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from include.base.keys import SetKey, parse_partition, partition_of
from include.base.settings import tuning
from include.ledger.queues import DeadLetters
from include.reconcile.gaps import Gaps

NAMED_AT_MOST = 10


def for_a_person(gaps: Gaps) -> list[str]:
    """The message's lines; none when there is nothing to do."""
    parts = [
        _overdue(gaps.overdue),
        _half_extracted(gaps.half_extracted, gaps.pages),
        _dead_lettered(gaps.dead_lettered),
        _stuck(gaps.stuck),
        _given_up(gaps.given_up),
        _to_replay(gaps.to_replay),
        _without_set(gaps.without_set),
        _broken(gaps.broken),
        _older(gaps.older),
        _lost(gaps.lost),
    ]
    found = [part for part in parts if part]
    return [line for number, part in enumerate(found) for line in (([""] if number else []) + part)]


def dead_letter_line(function: str, found: DeadLetters) -> str:
    """What lies in the dead-letter queue of a function."""
    named = list(found.manifests[:NAMED_AT_MOST])
    more = f" and {found.count - len(named)} more" if named and found.count > len(named) else ""
    return f"{function}: {found.count} message(s)" + (f": {', '.join(named)}{more}" if named else "")


def _part(heading: str, names: Sequence[str], *todo: str) -> list[str]:
    if not names:
        return []
    more = [f"  and {len(names) - NAMED_AT_MOST} more"] if len(names) > NAMED_AT_MOST else []
    return [heading, *(f"  {name}" for name in names[:NAMED_AT_MOST]), *more, *(f"→ {line}" for line in todo)]


def _overdue(partitions: Sequence[str]) -> list[str]:
    return _part(
        f"{len(partitions)} partition(s) overdue: expected in the warehouse {tuning().freshness_hours:g} hours after "
        "their date began (LISTINGS_EXPECTED_MARKETS)",
        partitions,
        "Look at extract_listings, sense_listings and load_listings: is one paused, did one fail? Clear what failed.",
        "If nothing ran: trigger extract_listings with the date as partition key and these markets, while the API "
        "still serves that date.",
    )


def _half_extracted(keys: Sequence[SetKey], pages: Sequence[int]) -> list[str]:
    names = [
        f"{key.partition}: {count} page(s), no manifest, extraction {key.extract_id} (begins with the run's time)"
        for key, count in zip(keys, pages, strict=True)
    ]
    return _part(
        f"{len(keys)} extraction(s) stopped half-way",
        names,
        "Clear land_listings of that run of extract_listings with only failed: it asks only for the pages it lacks.",
    )


def _dead_lettered(lines: Sequence[str]) -> list[str]:
    return _part(
        "Dead letters: notifications that a function failed on five times",
        lines,
        "Mend the cause (the function's log), then `make redrive` or trigger redrive_listings: it puts them back.",
    )


def _stuck(names: Sequence[str]) -> list[str]:
    return _part(
        f"{len(names)} set(s) are stuck although they were sent again for {tuning().reconcile_patience / 3600:g} hours",
        names,
        "Not copied, not clean: look into the function's log and dead-letter queue. Not let through: the error of "
        "sense_listings names the gate.",
        "Mend the cause, then trigger reconcile_listings with retry_stuck.",
    )


def _given_up(set_ids: Sequence[str]) -> list[str]:
    dates = sorted({parse_partition(partition_of(set_id))[2] for set_id in set_ids})
    return _part(
        f"{len(set_ids)} set(s) failed to load alone in more than {tuning().suspect_retries} hours of the clock",
        set_ids,
        "Their reasons stand in core.load_audit (status suspect, column error). Mend them.",
        f"Then trigger load_listings with retry_suspects and the partition key {_either(f'all|{d}' for d in dates)}.",
    )


def _to_replay(set_ids: Sequence[str]) -> list[str]:
    dates = sorted({parse_partition(partition_of(set_id))[2] for set_id in set_ids})
    return _part(
        f"{len(set_ids)} set(s), cleaned by another transform, should hold their day and do not, or have rows that "
        "core.load_audit does not know",
        set_ids,
        "Trigger replay_listings for their dates, or " + _either(f"`make replay FROM={d} TO={d}`" for d in dates) + ".",
    )


def _older(partitions: Sequence[str]) -> list[str]:
    dates = sorted({parse_partition(each)[2] for each in partitions})
    return _part(
        f"{len(partitions)} older day(s) are held by another set than the one that should hold them "
        "(core.load_audit, should_hold). Said once",
        partitions,
        *(f"To bring what is due: `make backfill FROM={dates[0]} TO={dates[-1]}`." for _ in dates[:1]),
    )


def _without_set(set_ids: Sequence[str]) -> list[str]:
    return _part(
        f"{len(set_ids)} set(s) have rows in core.listing_snapshots, and their pages lie in no bucket",
        set_ids,
        "Somebody deleted the pages, or wrote the rows: restore the pages from the versions of the raw bucket, or "
        "delete the rows.",
    )


def _broken(names: Sequence[str]) -> list[str]:
    return _part(
        f"{len(names)} set(s) lack objects, which somebody deleted and no other bucket has: they cannot be replayed",
        names,
        "Restore the pages from the versions of the raw bucket (delete the delete markers). Files that clean lacks "
        "come again once raw has the set.",
    )


def _lost(partitions: Sequence[str]) -> list[str]:
    return _part(
        f"{len(partitions)} partition(s) never came, and no API serves their date any more. Said once",
        partitions,
        "Nothing can be fetched for them any more; pages that landed, if any, stay in the landing bucket.",
    )


def _either(choices: Iterable[str]) -> str:
    return " or ".join(list(choices)[:NAMED_AT_MOST])
