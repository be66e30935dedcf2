"""The message for a person: a heading per kind, the names, what to do."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from include.base.settings import tuning
from include.ledger.queues import DeadLetters
from include.reconcile.gaps import Gaps
from include.reconcile.message import dead_letter_line, for_a_person
from tests.support.examples import KEY, VERSION

SET = KEY.set_id(VERSION)
KINDS = [
    (Gaps(overdue=("zillow56/houston-tx|2026-11-22",)), "1 partition(s) overdue", "trigger extract_listings"),
    (Gaps(half_extracted=(KEY,), pages=(6,)), "1 extraction(s) stopped half-way", "Clear land_listings"),
    (Gaps(dead_lettered=("copy_raw: 3 message(s)",)), "Dead letters", "`make redrive`"),
    (Gaps(stuck=(f"{KEY.manifest} (not clean)",)), "1 set(s) are stuck", "reconcile_listings with retry_stuck"),
    (
        Gaps(given_up=(SET,)),
        "1 set(s) failed to load alone in more than 2 hours",
        "retry_suspects and the partition key all|2026",
    ),
    (Gaps(to_replay=(SET,)), "1 set(s), cleaned by another", "`make replay FROM=2026-11-22 TO=2026-11-22`"),
    (Gaps(without_set=(SET,)), "1 set(s) have rows", "restore the pages"),
    (Gaps(lost=("zillow56/houston-tx|2026-11-02",)), "1 partition(s) never came", "Nothing can be fetched"),
]


@pytest.fixture(autouse=True)
def _defaults(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SUSPECT_RETRIES", "RECONCILE_PATIENCE", "FRESHNESS_HOURS"):
        monkeypatch.delenv(f"LISTINGS_{name}", raising=False)
    tuning.cache_clear()
    yield
    tuning.cache_clear()


def every_name(gaps: Gaps) -> list[str]:
    """What a message about these gaps must name."""
    names = (*gaps.overdue, *gaps.dead_lettered, *gaps.stuck, *gaps.given_up, *gaps.to_replay, *gaps.without_set)
    return [*names, *gaps.lost, *(f"{key.partition}: 6 page(s)" for key in gaps.half_extracted)]


@pytest.mark.parametrize(("gaps", "heading", "todo"), KINDS, ids=[heading for _, heading, _ in KINDS])
def test_each_kind_has_its_heading_its_names_and_what_to_do(gaps: Gaps, heading: str, todo: str) -> None:
    """A kind is told alone: the heading with the count, the name, the remedy."""
    first, *others = for_a_person(gaps)
    [name] = every_name(gaps)

    assert first.startswith(heading)
    assert [name] == [name for line in others if line.startswith(f"  {name}")]
    assert [todo] == [todo for line in others if line.startswith("→ ") and todo in line]


def test_all_kinds_stand_in_one_message() -> None:
    """Every heading is there once, with an empty line before each but the first."""
    together = Gaps()
    for gaps, _, _ in KINDS:
        together = replace(together, **{name: found for name, found in vars(gaps).items() if found})
    lines = for_a_person(together)

    assert [heading for _, heading, _ in KINDS] == [
        heading for line in lines for _, heading, _ in KINDS if line.startswith(heading)
    ]
    assert len(KINDS) - 1 == lines.count("")


def test_nobody_is_called_for_what_mends_itself() -> None:
    """Sets that are sent or announced again, or get another turn, are no matter for a person."""
    assert [] == for_a_person(Gaps((KEY,), (KEY,), (KEY,), (SET,), (SET,), (SET,)))


def test_of_many_names_ten_are_told() -> None:
    """The others are counted."""
    lines = for_a_person(Gaps(stuck=tuple(f"set {number:02}" for number in range(25))))

    assert "25 set(s) are stuck" == lines[0][:19]
    assert [f"  set {number:02}" for number in range(10)] == lines[1:11]
    assert "  and 15 more" == lines[11]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (DeadLetters(2), "copy_raw: 2 message(s)"),
        (DeadLetters(1, ("a",)), "copy_raw: 1 message(s): a"),
        (DeadLetters(12, ("a", "b")), "copy_raw: 12 message(s): a, b and 10 more"),
    ],
)
def test_dead_letters_are_counted_and_named(found: DeadLetters, line: str) -> None:
    """A queue is a line with its count and the manifests that were seen."""
    assert line == dead_letter_line("copy_raw", found)
