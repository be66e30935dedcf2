"""The environment becomes frozen types, or an error that names the variable."""

import re
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from include.base.settings import Resources, SettingsError, Tuning, read_resources, read_tuning
from include.extract.quota_account import LONGEST_TASK
from tests.support.examples import ENVIRONMENT, RESOURCES


def test_nothing_set_gives_the_defaults() -> None:
    """Tuning needs no variable at all."""
    assert Tuning() == read_tuning({})
    assert (timedelta(hours=36), 6 * 3600.0) == (Tuning().date_tolerance, Tuning().reconcile_patience)


def test_the_defaults_of_a_call_work_together() -> None:
    """An answer that drips is asked for twice more, one that is silent is given up first, and a market ends in time."""
    default = Tuning()
    assert default.request_timeout < default.response_timeout
    assert 2 * default.response_timeout + 1 + 2 < default.api_patience
    page = default.api_patience + default.response_timeout + default.seconds_between_requests
    assert timedelta(seconds=20 * page) < LONGEST_TASK


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("LISTINGS_RETRIES", "2", "retries", 2),
        ("LISTINGS_REJECT_SHARE_LIMIT", "0.5", "reject_share_limit", 0.5),
        ("LISTINGS_SENSE_TIMEOUT", "60", "sense_timeout", 60.0),
        ("LISTINGS_RECONCILE_PATIENCE", "60", "reconcile_patience", 60.0),
        ("LISTINGS_DATE_TOLERANCE_HOURS", "1.5", "date_tolerance", timedelta(minutes=90)),
        ("LISTINGS_START_DATE", "2026-01-31T06:00:00Z", "start_date", datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("LISTINGS_START_DATE", "2026-01-31", "start_date", datetime(2026, 1, 31, tzinfo=UTC)),
        (
            "LISTINGS_START_DATE",
            "2026-01-31T06:00:00+02:00",
            "start_date",
            datetime(2026, 1, 31, 6, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("LISTINGS_ALERT_TO", "a@example.com, b@example.com", "alert_to", ("a@example.com", "b@example.com")),
        ("LISTINGS_ALERT_TO", " ", "alert_to", ()),
        ("LISTINGS_ALERT_FROM", "", "alert_from", ""),
        (
            "LISTINGS_EXPECTED_MARKETS",
            "zillow56/houston-tx  zillow-com4/austin-tx",
            "expected_markets",
            ("zillow56/houston-tx", "zillow-com4/austin-tx"),
        ),
        ("LISTINGS_FRESHNESS_HOURS", "0", "freshness_hours", 0.0),
    ],
)
def test_a_variable_replaces_its_default(variable: str, text: str, field: str, value: object) -> None:
    """A variable turns the setting it names, parsed into the setting's type."""
    found = getattr(read_tuning({variable: text}), field)

    assert (value, type(value)) == (found, type(found))


def test_other_variables_are_left_alone() -> None:
    """A variable that is no setting changes nothing."""
    assert Tuning() == read_tuning({"LISTINGS_HOME": "somewhere", "RETRIES": "9"})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LISTINGS_RETRIES", "two"),
        ("LISTINGS_RETRIES", ""),
        ("LISTINGS_RETRIES", "1.5"),
        ("LISTINGS_RETRIES", "-1"),
        ("LISTINGS_SENSE_TIMEOUT", "nan"),
        ("LISTINGS_SENSE_TIMEOUT", "inf"),
        ("LISTINGS_START_DATE", "yesterday"),
        ("LISTINGS_REQUESTS_PER_SECOND", "0"),
        ("LISTINGS_API_SLOTS", "0"),
        ("LISTINGS_REQUEST_TIMEOUT", "0"),
        ("LISTINGS_RESPONSE_TIMEOUT", "0"),
        ("LISTINGS_PAGE_BYTES_LIMIT", "0"),
        ("LISTINGS_QUOTA_BUDGET", "-1"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(variable: str, text: str) -> None:
    """A bad value stops with the variable's name, what came and what was expected."""
    with pytest.raises(SettingsError, match=f"{variable}='{text}': expected "):
        read_tuning({variable: text})


@pytest.mark.parametrize(
    ("variable", "text", "wrong", "form"),
    [
        ("LISTINGS_EXPECTED_MARKETS", "zillow56/houston-tx houston", "houston", "zillow56/houston-tx"),
        ("LISTINGS_EXPECTED_MARKETS", "zillow56/Houston", "zillow56/Houston", "zillow56/houston-tx"),
        ("LISTINGS_EXPECTED_MARKETS", "a/b|2026-11-22", "a/b|2026-11-22", "zillow56/houston-tx"),
        ("LISTINGS_ALERT_TO", "data@example.com, nobody", "nobody", "data@example.com"),
        ("LISTINGS_ALERT_FROM", "Data <data@example.com>", "Data <data@example.com>", "data@example.com"),
    ],
)
def test_a_list_with_one_wrong_part_names_it(variable: str, text: str, wrong: str, form: str) -> None:
    """A malformed address or head of a partition is refused with the form that is expected."""
    with pytest.raises(SettingsError, match=f"{variable}: {re.escape(repr(wrong))}: expected .*{form}"):
        read_tuning({variable: text})


def test_zero_means_zero_where_zero_is_sense() -> None:
    """No retries, no time to wait and no tolerance are settings, not mistakes."""
    none = read_tuning({"LISTINGS_RETRIES": "0", "LISTINGS_API_PATIENCE": "0", "LISTINGS_REJECT_SHARE_LIMIT": "0"})

    assert (0, 0.0, 0.0) == (none.retries, none.api_patience, none.reject_share_limit)


def test_all_slots_together_keep_the_rate() -> None:
    """Three tasks at six requests a second in all leave half a second between two of each."""
    assert 0.5 == Tuning(requests_per_second=6.0, api_slots=3).seconds_between_requests


def test_tasks_that_start_together_take_turns() -> None:
    """With two slots at four requests a second the second task begins a quarter of a second later."""
    two = Tuning(requests_per_second=4.0, api_slots=2)

    assert [0.0, 0.25, 0.0, 0.25] == [two.seconds_before_first_request(index) for index in range(4)]
    assert [0.0, 0.0] == [two.seconds_before_first_request(index) for index in (-1, None)]


def test_resources_come_from_their_variables() -> None:
    """Each resource is the variable of its name."""
    assert RESOURCES == read_resources(ENVIRONMENT | {"LISTINGS_RETRIES": "1"})


def test_every_missing_resource_is_named_at_once() -> None:
    """Unset and empty variables are listed in one error that says where they come from."""
    incomplete = ENVIRONMENT | {"LISTINGS_RAW_BUCKET": ""}
    del incomplete["LISTINGS_TRANSFORM_VERSION"]

    with pytest.raises(SettingsError, match=r"not set: LISTINGS_RAW_BUCKET, LISTINGS_TRANSFORM_VERSION\. .*`make up`"):
        read_resources(incomplete)


@pytest.mark.parametrize("settings", [Tuning(), RESOURCES])
def test_settings_do_not_change(settings: Tuning | Resources) -> None:
    """Nobody can turn a setting after it was read."""
    with pytest.raises(FrozenInstanceError):
        settings.retries = 3
