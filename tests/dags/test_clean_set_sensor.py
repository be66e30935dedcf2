"""The sensor waits for exact objects and, when its time is up, says what is missing and where it got stuck."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSensorTimeout

from include.base.keys import SetKey
from include.base.settings import resources
from include.sense.sensor import CleanSetSensor
from tests.support.backends import DATE, EXTRACT_ID, Extraction

KEY = SetKey("zillow56", "houston-tx", DATE, EXTRACT_ID)
OTHER = SetKey("zillow56", "austin-tx", DATE, EXTRACT_ID)


class _Waiting:
    """A task instance that began to wait so many seconds ago."""

    def __init__(self, seconds: float) -> None:
        self.since = datetime.now(UTC) - timedelta(seconds=seconds)

    def get_first_reschedule_date(self, context: object) -> datetime:
        """When it looked first."""
        return self.since


class Clean:
    """The buckets after landing, and the sensor over the clean one."""

    def __init__(self, extraction: Extraction) -> None:
        self.s3 = extraction.s3
        self.raw, self.clean = f"{extraction.bucket}-raw", f"{extraction.bucket}-clean"
        for bucket in (self.raw, self.clean):
            self.s3.create_bucket(Bucket=bucket)

    def url(self, key: SetKey) -> str:
        """The awaited object of a set."""
        return f"s3://{self.clean}/{key.success('aaaaaaaaaaaa')}"

    def put(self, bucket: str, *keys: str) -> None:
        """Puts objects."""
        for key in keys:
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"{}")

    def look(self, *sets: SetKey, waited: float = 0.0) -> None:
        """One look at the sets by a sensor that has 900 seconds and waited so many."""
        urls: Any = [self.url(key) for key in sets]
        sensor = CleanSetSensor(
            task_id="wait_until_clean", bucket_key=urls, aws_conn_id="aws_s3_conn", timeout=900.0, poke_interval=5.0
        )
        sensor.execute({"ti": _Waiting(waited)})


@pytest.fixture
def clean(extraction: Extraction) -> Clean:
    """Empty raw and clean buckets."""
    return Clean(extraction)


def test_it_goes_on_when_every_set_is_clean(clean: Clean) -> None:
    """With each `_SUCCESS.json` there the sensor is done at its first look."""
    clean.put(clean.clean, KEY.success("aaaaaaaaaaaa"), OTHER.success("aaaaaaaaaaaa"))

    clean.look(KEY, OTHER)


def test_it_gives_its_slot_back_while_one_is_missing(clean: Clean) -> None:
    """One of two sets is not enough: the sensor looks again in five seconds and holds no slot until then."""
    clean.put(clean.clean, KEY.success("aaaaaaaaaaaa"))

    with pytest.raises(AirflowRescheduleException) as later:
        clean.look(KEY, OTHER)
    assert 0 < (later.value.reschedule_date - datetime.now(UTC)).total_seconds() <= 5


@pytest.mark.parametrize(
    "lookalike",
    [
        KEY.success("bbbbbbbbbbbb"),
        KEY.success("aaaaaaaaaaaa") + ".part",
        KEY.clean_prefix("aaaaaaaaaaaa") + "listings.parquet",
    ],
)
def test_only_the_exact_object_counts(clean: Clean, lookalike: str) -> None:
    """Another version's cleaning, a longer key and a half-finished one are not what is awaited."""
    clean.put(clean.clean, lookalike)

    with pytest.raises(AirflowRescheduleException):
        clean.look(KEY)


def test_a_set_that_was_not_copied_is_said_to_be_stuck_there(clean: Clean) -> None:
    """With no manifest in raw the time-out names copy_raw, its dead-letter queue, and the manifest to look for."""
    with pytest.raises(AirflowSensorTimeout) as timeout:
        clean.look(KEY, waited=901)

    words = str(timeout.value)
    assert f"{clean.url(KEY)} is missing after 900 s: the set is stuck before copy_raw." in words
    assert f"manifest {KEY.manifest} in the dead-letter queue copy-raw-dead" in words
    assert "transform" not in words.replace("transform=aaaaaaaaaaaa", "")


def test_a_set_that_was_not_cleaned_is_said_to_be_stuck_there(clean: Clean) -> None:
    """With the manifest in raw the time-out names transform_listings and its dead-letter queue."""
    clean.put(clean.raw, KEY.manifest)

    with pytest.raises(AirflowSensorTimeout, match=r"stuck before transform_listings.* transform-listings-dead"):
        clean.look(KEY, waited=901)


@pytest.mark.parametrize("waited", [0.0, 901.0])
def test_after_a_deployment_the_earlier_cleaning_is_not_waited_for(
    clean: Clean, monkeypatch: pytest.MonkeyPatch, waited: float
) -> None:
    """It fails at once and for good, not of the dead letters, and says which partition to sense again."""
    clean.put(clean.raw, KEY.manifest)
    monkeypatch.setenv("LISTINGS_TRANSFORM_VERSION", "bbbbbbbbbbbb")
    resources.cache_clear()

    words = f"a new transform, bbbbbbbbbbbb, was deployed meanwhile .*trigger sense_listings again for {KEY.partition}"
    with pytest.raises(AirflowFailException, match=words.replace("|", r"\|")):
        clean.look(KEY, waited=waited)


def test_each_missing_set_is_diagnosed_and_no_other(clean: Clean) -> None:
    """Of two sets the one that is there is not complained of; of two that are missing each has its own diagnosis."""
    clean.put(clean.clean, OTHER.success("aaaaaaaaaaaa"))
    with pytest.raises(AirflowSensorTimeout, match=re.escape(KEY.manifest)) as one:
        clean.look(KEY, OTHER, waited=901)
    assert "austin-tx" not in str(one.value)

    third = SetKey("zillow56", "miami-fl", DATE, EXTRACT_ID)
    clean.put(clean.raw, third.manifest)
    with pytest.raises(AirflowSensorTimeout, match=r"houston-tx.*before copy_raw.*miami-fl.*before transform_listings"):
        clean.look(KEY, third, OTHER, waited=901)


def test_what_arrives_at_the_last_moment_is_not_a_timeout(clean: Clean, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that turns up between the last look and the diagnosis lets the run go on."""
    look = CleanSetSensor.poke

    def look_and_let_arrive(sensor: CleanSetSensor, context: Any) -> Any:
        found = look(sensor, context)
        clean.put(clean.clean, KEY.success("aaaaaaaaaaaa"))
        return found

    monkeypatch.setattr(CleanSetSensor, "poke", look_and_let_arrive)

    clean.look(KEY, waited=901)
