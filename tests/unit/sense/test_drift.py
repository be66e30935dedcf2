"""Fields that an adapter does not know are told: logged for each set, mailed once per field, market and day."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from include.base.keys import SetKey
from include.base.settings import tuning
from include.sense.drift import tell_unknown_fields
from tests.support.examples import KEY, RESOURCES, buckets, put_clean_set
from tests.support.memory_s3 import MemoryS3
from tests.support.transform_code import clean_rows, row

SECOND = replace(KEY, extract_id="20261122T100003Z-aaaaaa")


class _Mail:
    """Takes mails as `include.alerts.send` does."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []

    def send(self, subject: str, lines: list[str]) -> bool:
        """Keeps the mail."""
        self.sent.append((subject, lines))
        return True


@pytest.fixture(autouse=True)
def _nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("LISTINGS_ALERT_TO", raising=False)
    tuning.cache_clear()
    yield
    tuning.cache_clear()


@pytest.fixture
def mail() -> _Mail:
    """An empty mailbox."""
    return _Mail()


def tell(s3: MemoryS3, mail: _Mail, key: SetKey, fields: dict[str, int]) -> list[str]:
    """Puts a clean set that has these unknown fields, and tells them."""
    put_clean_set(s3, key, unknown_fields=fields)
    return tell_unknown_fields(s3, RESOURCES, key, mail.send)  # type: ignore[arg-type]


def notices(s3: MemoryS3) -> list[dict[str, Any]]:
    """The notices that lie in the clean bucket."""
    return [json.loads(s3.buckets["clean"][key].body) for key in s3.keys("clean") if key.startswith("reports/")]


def test_a_new_field_is_logged_and_mailed(mail: _Mail, caplog: pytest.LogCaptureFixture) -> None:
    """The mail names market, date, set, each field with its listings, and what to do; the log says it in one line."""
    s3 = buckets()
    assert ["solar"] == tell(s3, mail, KEY, {"solar": 40})

    ((subject, lines),) = mail.sent
    assert "Unknown fields: zillow56, houston-tx, 2026-11-22" == subject
    assert "zillow56 sends fields for houston-tx that its adapter does not know:" == lines[0]
    assert "solar: in 40 of 41 listings" in lines
    assert f"Set: {KEY.manifest}" in lines
    assert any("include/schemas/sources/zillow56.yaml" in line and "`ignored`" in line for line in lines)
    assert [f"{KEY.manifest}: fields that the adapter does not know: solar: in 40 of 41 listings"] == caplog.messages
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert [{"field": "solar", "listings": 40, "set": KEY.manifest}] == notices(s3)


def test_claims_that_are_gone_are_told_once_a_day(mail: _Mail, caplog: pytest.LogCaptureFixture) -> None:
    """The mail names where the claims stood and what that means; of a set without listings there is none."""
    s3 = buckets()
    told = []
    for landed in (0, 41, 41):
        counts = {"landed": landed, "clean": landed, "rejected": 0, "duplicates": 0, "unreadable": 0}
        put_clean_set(s3, KEY, absent_claims=["pages_claimed", "listings_claimed"], counts=counts)
        told.append(tell_unknown_fields(s3, RESOURCES, KEY, mail.send))  # type: ignore[arg-type]

    assert [[], ["totalPages", "totalResultCount"], []] == told
    ((subject, lines),) = mail.sent
    assert "No claims: zillow56, houston-tx, 2026-11-22" == subject
    assert "zillow56 does not say any more how much there is in houston-tx:" == lines[0]
    assert "totalPages: on no page, so that nobody knows how much there is" in lines
    assert any("`page_facts`" in line and "seen whole" in line for line in lines)
    assert [f"{KEY.manifest}: claims that are gone: totalPages, totalResultCount"] * 2 == caplog.messages


def test_a_set_without_news_says_nothing(mail: _Mail, caplog: pytest.LogCaptureFixture) -> None:
    """Where every field is known there is no line, no notice and no mail."""
    s3 = buckets()
    assert [] == tell(s3, mail, KEY, {})
    assert ([], [], []) == (mail.sent, notices(s3), caplog.messages)


def test_a_field_is_mailed_once_per_market_and_day(mail: _Mail, caplog: pytest.LogCaptureFixture) -> None:
    """The same set again and another of the day are logged only; another market and another day are mailed."""
    s3 = buckets()
    told = [
        tell(s3, mail, key, {"solar": 40})
        for key in (KEY, KEY, SECOND, replace(KEY, market="austin-tx"), replace(KEY, date="2026-11-23"))
    ]
    assert [["solar"], [], [], ["solar"], ["solar"]] == told
    assert ["houston-tx, 2026-11-22", "austin-tx, 2026-11-22", "houston-tx, 2026-11-23"] == [
        subject.removeprefix("Unknown fields: zillow56, ") for subject, _ in mail.sent
    ]
    assert 5 == len(caplog.messages)


def test_a_field_that_comes_later_on_the_day_is_news(mail: _Mail) -> None:
    """Of two fields only the one that was not told yet is mailed, and one that stays away and returns is not."""
    s3 = buckets()
    told = [tell(s3, mail, SECOND, dict.fromkeys(fields, 1)) for fields in (["b"], ["a", "b"], ["a"], ["b", "c"])]
    assert [["b"], ["a"], [], ["c"]] == told
    assert not any(line.startswith("b: ") for line in mail.sent[1][1])


def test_hostile_names_reach_neither_key_nor_mail(mail: _Mail) -> None:
    """A field with dots, quotes, line breaks, NUL, half a character or 10,000 letters is told in short plain lines."""
    s3 = buckets()
    names = [
        "../../x",
        "a.b",
        'say "hi"',
        "line\r\nBcc: x@example.com",
        "\0",
        "\ud800",
        "x" * 10_000,
        "{{ 7*7 }}",
        "é~",
    ]
    found = clean_rows(*(row(1 + number, **{name: 1}) for number, name in enumerate(names))).unknown_fields
    written: dict[str, int] = json.loads(json.dumps(dict(found)))
    assert found == written

    assert sorted(written) == sorted(tell(s3, mail, KEY, written))

    keys = [key for key in s3.keys("clean") if key.startswith("reports/")]
    assert len(names) == len(keys) == len(set(keys))
    assert all(
        key.startswith("reports/notices/date=2026-11-22/drift~zillow56~houston-tx~") and len(key) < 90 for key in keys
    )
    ((_, lines),) = mail.sent
    assert all(line.isprintable() and len(line) < 200 for line in lines)
    assert len(names) + 6 == len(lines)


def test_a_mail_that_is_not_sent_stops_nothing() -> None:
    """Where nobody is to be told, the log and the notices stay."""
    s3 = buckets()
    put_clean_set(s3, unknown_fields={"solar": 1})
    assert ["solar"] == tell_unknown_fields(s3, RESOURCES, KEY, lambda subject, lines: False)  # type: ignore[arg-type]
    assert 1 == len(notices(s3))


def test_a_mail_that_did_not_go_leaves_the_field_news(monkeypatch: pytest.MonkeyPatch, mail: _Mail) -> None:
    """While the mail server is down nothing is noted, so that the next set of the market and day tells."""
    monkeypatch.setenv("LISTINGS_ALERT_TO", "data@example.com")
    tuning.cache_clear()
    s3 = buckets()
    put_clean_set(s3, unknown_fields={"solar": 1})
    tell_unknown_fields(s3, RESOURCES, KEY, lambda subject, lines: False)  # type: ignore[arg-type]
    assert [] == notices(s3)

    assert [["solar"], []] == [tell(s3, mail, SECOND, {"solar": 1}) for _ in range(2)]
    assert 1 == len(mail.sent)


def test_listings_that_nobody_could_read_are_not_counted(mail: _Mail) -> None:
    """How many have a field is said of the listings that were read."""
    s3 = buckets()
    put_clean_set(
        s3,
        unknown_fields={"solar": 3},
        counts={"landed": 41, "clean": 5, "rejected": 0, "duplicates": 0, "unreadable": 36},
    )
    tell_unknown_fields(s3, RESOURCES, KEY, mail.send)  # type: ignore[arg-type]
    assert "solar: in 3 of 5 listings" in mail.sent[0][1]
