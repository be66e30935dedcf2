"""A set is withdrawn and given back, and what cannot be is refused in words."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from include.ledger import withdrawals
from include.ledger.sets import Ledger
from include.ledger.withdrawals import LONGEST_REASON, WithdrawalRefused
from tests.support.examples import KEY, PREFIX, RESOURCES
from tests.support.memory_s3 import MemoryS3

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
LATER = replace(KEY, extract_id="20261122T120003Z-2b4c8d")
OBJECT = "withdrawn/date=2026-11-22/zillow56~houston-tx~20261122T060003Z-1f3a9c.json"
NAME = "zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c"


@pytest.fixture
def s3() -> MemoryS3:
    """Two complete sets of one day in raw, and the pages of a third that is not complete."""
    s3 = MemoryS3("landing", "raw", "clean")
    for key in (KEY, LATER):
        s3.put_object(Bucket="raw", Key=key.manifest, Body=b"the manifest")
    s3.put_object(Bucket="raw", Key=replace(KEY, extract_id="half").prefix + "page-0001.json", Body=b"a page")
    return s3


def withdraw(s3: MemoryS3, key=KEY, reason="other town", by="anna", at=AT) -> str:  # type: ignore[no-untyped-def]
    """Withdraws a set."""
    return withdrawals.withdraw(s3, RESOURCES, key, reason, by, at)  # type: ignore[arg-type]


def of_date(s3: MemoryS3, day: str = KEY.date) -> dict:  # type: ignore[type-arg]
    """The withdrawn sets of a date."""
    return withdrawals.of_date(s3, "raw", day)  # type: ignore[arg-type]


def give_back(s3: MemoryS3, key=KEY) -> str:  # type: ignore[no-untyped-def]
    """Gives a set back."""
    return withdrawals.give_back(s3, RESOURCES, key)  # type: ignore[arg-type]


def test_a_withdrawal_says_what_why_who_and_when(s3: MemoryS3) -> None:
    """The object in raw has the set, the reason, the person and the moment in UTC; the pages stay."""
    before = s3.keys("raw")

    said = withdraw(s3, reason="Größe in m²", at=AT.astimezone(timezone(timedelta(hours=2))))

    assert f"{NAME} is withdrawn: Größe in m²" == said
    assert {
        "set": NAME,
        "reason": "Größe in m²",
        "by": "anna",
        "at": "2026-11-23T09:00:00+00:00",
    } == json.loads(s3.buckets["raw"][OBJECT].body)
    assert sorted([*before, OBJECT]) == s3.keys("raw")
    assert PREFIX + "_manifest.json" in before


def test_the_withdrawn_sets_of_a_date_come_with_their_reasons(s3: MemoryS3) -> None:
    """Both sets of the day come, one of another date does not, by one listing and a look at each object."""
    other = replace(KEY, date="2026-11-23")
    s3.put_object(Bucket="raw", Key=other.manifest, Body=b"the manifest")
    for key, reason in ((KEY, "other town"), (LATER, "a test"), (other, "not today")):
        withdraw(s3, key, reason)
    s3.calls.clear()

    assert {KEY: "other town", LATER: "a test"} == of_date(s3)
    assert ["list_objects_v2", "get_object", "get_object"] == [name for name, _ in s3.calls]
    assert {} == of_date(s3, "2026-11-24")


def test_the_first_reason_stays(s3: MemoryS3) -> None:
    """Who withdraws a set once more is told the first reason, and the object is as it was."""
    withdraw(s3)
    first = s3.buckets["raw"][OBJECT].body

    assert f"{NAME} was withdrawn before, and the first reason stays: other town" == withdraw(s3, reason="b", by="bo")
    assert first == s3.buckets["raw"][OBJECT].body


def test_a_set_given_back_is_no_longer_withdrawn(s3: MemoryS3) -> None:
    """The object is gone, the other set's stays, and it can be withdrawn anew for another reason."""
    withdraw(s3)
    withdraw(s3, LATER, "a test")

    assert f"{NAME} is given back. It had been withdrawn: other town" == give_back(s3)
    assert {LATER: "a test"} == of_date(s3)
    assert f"{NAME} was not withdrawn: nothing is to be given back" == give_back(s3)
    assert f"{NAME} is withdrawn: after all" == withdraw(s3, reason="after all")


def test_a_set_that_raw_has_lost_can_be_given_back(s3: MemoryS3) -> None:
    """A withdrawal outlives its set, and can still be undone."""
    withdraw(s3)
    del s3.buckets["raw"][KEY.manifest]

    assert "is given back" in give_back(s3)
    assert {} == of_date(s3)


@pytest.mark.parametrize("extract_id", [pytest.param("nobody", id="absent"), pytest.param("half", id="incomplete")])
def test_a_set_that_is_not_in_raw_is_refused(s3: MemoryS3, extract_id: str) -> None:
    """Neither way: the words have the set and the sets that its market's day has, and nothing was put."""
    before, wanted = s3.keys("raw"), replace(KEY, extract_id=extract_id)

    for act in (withdraw, give_back):
        with pytest.raises(WithdrawalRefused) as refused:
            act(s3, wanted)
        assert (
            f"no set zillow56/houston-tx/2026-11-22/{extract_id} lies in raw. Of that market and date it has {NAME}, "
            "zillow56/houston-tx/2026-11-22/20261122T120003Z-2b4c8d" == str(refused.value)
        )
    assert before == s3.keys("raw")


def test_a_day_without_a_set_is_said_to_have_none(s3: MemoryS3) -> None:
    """A mistyped market has no set of the day."""
    with pytest.raises(WithdrawalRefused, match=r"Of that market and date it has none$"):
        withdraw(s3, replace(KEY, market="huston-tx"))


def test_of_many_sets_ten_are_named(s3: MemoryS3) -> None:
    """The words stay short where a day has many sets."""
    for number in range(20):
        each = replace(KEY, extract_id=f"20261122T06{number:02d}00Z-aaaaaa")
        s3.put_object(Bucket="raw", Key=each.manifest, Body=b"the manifest")

    with pytest.raises(WithdrawalRefused, match=r"(/2026-11-22/.*){11}, and 12 more$"):
        withdraw(s3, replace(KEY, extract_id="nobody"))


@pytest.mark.parametrize(
    "reason",
    ["", " \n", "two\nlines", "nul\0", "\ud800", "x" * (LONGEST_REASON + 1)],
    ids=["empty", "blank", "two lines", "nul", "half a letter", "long"],
)
def test_a_reason_that_is_no_short_line_is_refused(s3: MemoryS3, reason: str) -> None:
    """What no log and no report could show is not taken, and nothing was put."""
    with pytest.raises(WithdrawalRefused, match=f"expected one line of 1 to {LONGEST_REASON} printable"):
        withdraw(s3, reason=reason)
    assert {} == of_date(s3)


def test_the_longest_reason_comes_back_whole(s3: MemoryS3) -> None:
    """The limit is the last that is taken, also in letters of four bytes."""
    withdraw(s3, reason=f" {'🏠' * LONGEST_REASON}\n")

    assert {KEY: "🏠" * LONGEST_REASON} == of_date(s3)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"because", id="no JSON"),
        pytest.param(b"\xff\xfe\xff", id="no text"),
        pytest.param(b"[" * 20_000, id="deep"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no reason"),
        pytest.param(b'{"reason": 7}', id="a number"),
        pytest.param(b'{"reason": " "}', id="blank"),
        pytest.param(b'{"x": "' + b"x" * 20_000 + b'", "reason": "late"}', id="too large"),
    ],
)
def test_a_body_that_cannot_be_read_withdraws_all_the_same(s3: MemoryS3, body: bytes) -> None:
    """An object put by hand counts whatever it holds, its reason says so, and it can be undone."""
    s3.put_object(Bucket="raw", Key=OBJECT, Body=body)

    words = "the reason cannot be read: its object is not JSON with a text under `reason`"
    assert {KEY: words} == of_date(s3)
    assert withdraw(s3).endswith(f"the first reason stays: {words}")
    assert give_back(s3).endswith(f"It had been withdrawn: {words}")


def test_a_reason_put_by_hand_is_made_one_short_line(s3: MemoryS3) -> None:
    """Line ends, what cannot be printed and half letters become blanks, and what is too long is cut."""
    body = json.dumps({"reason": f"\n two\r\nlines\0 \ud800of {'x' * 1000}"}).encode()
    s3.put_object(Bucket="raw", Key=OBJECT, Body=body)

    assert {KEY: "two lines of " + "x" * 287} == of_date(s3)


def test_the_ledgers_of_raw_do_not_see_withdrawals(s3: MemoryS3) -> None:
    """The complete sets and the objects of raw are the same after a set was withdrawn."""
    ledger, day = Ledger(s3, RESOURCES), date(2026, 11, 22)  # type: ignore[arg-type]
    before = [*ledger.objects("raw", day)]

    withdraw(s3)
    assert [KEY, LATER] == ledger.kept(day, day, None, ())
    assert before == [*ledger.objects("raw", day)]


def test_what_somebody_else_put_there_withdraws_nothing(s3: MemoryS3) -> None:
    """An object below the folder that names no set is passed over."""
    s3.put_object(Bucket="raw", Key="withdrawn/date=2026-11-22/notes.txt", Body=b"")

    assert {} == of_date(s3)


def test_one_given_back_between_the_listing_and_the_look_is_not_withdrawn(
    s3: MemoryS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing still has it, the object is gone: the other set's withdrawal is read all the same."""
    withdraw(s3)
    withdraw(s3, LATER, "a test")
    look = s3.get_object

    def give_back_first(**asked: str) -> object:
        if asked["Key"] == OBJECT:
            s3.delete_object(Bucket="raw", Key=OBJECT)
        return look(**asked)

    monkeypatch.setattr(s3, "get_object", give_back_first)
    assert {LATER: "a test"} == of_date(s3)


def test_an_s3_that_refuses_is_no_empty_day() -> None:
    """That nothing could be read is an error: a withdrawn set must not count because of it."""
    with pytest.raises(ClientError, match="NoSuchBucket"):
        of_date(MemoryS3())
