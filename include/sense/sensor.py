"""The sensor of clean sets: on time-out it says what is missing and where it is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from include.base.keys import SetKey
from include.base.settings import resources

if TYPE_CHECKING:
    from airflow.sdk import Context


def refuse_other_transform(url: str) -> None:
    """Fails for good where the `_SUCCESS.json` at `url` is not of the deployed transform: only that one is loaded."""
    key, version = S3Hook.parse_s3_url(url)[1], resources().transform_version
    if key != (its := SetKey.from_key(key)).success(version):
        raise AirflowFailException(
            f"{key}: a new transform, {version}, was deployed meanwhile and only what it cleans is loaded: trigger "
            f"sense_listings again for {its.partition} (reconcile_listings does within the hour)"
        )


class CleanSetSensor(S3KeySensor):
    """Waits for the `_SUCCESS.json` of every expected set and, on time-out, says what is missing and where it stuck.

    What was planned before another transform was deployed is not waited for.

    :param bucket_key: the exact s3:// URLs of the awaited objects (templated).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", deferrable=False, **kwargs)

    def execute(self, context: Context) -> None:
        """Pokes once; raises AirflowSensorTimeout with the diagnosis when the time is up."""
        urls = [self.bucket_key] if isinstance(self.bucket_key, str) else self.bucket_key
        for url in urls:
            refuse_other_transform(url)
        try:
            super().execute(context)
        except AirflowSensorTimeout as timeout:
            missing = [url for url in urls if not self.poke_one(url, context)]
            if missing:
                raise AirflowSensorTimeout("; ".join(self._diagnose(url) for url in missing)) from timeout
            self.log.info("What was missing came at the last moment")

    def poke_one(self, url: str, context: Context) -> bool:
        """Whether the object at `url` is there."""
        return bool(self._check_key(url, context))

    def _diagnose(self, url: str) -> str:
        _, key = S3Hook.parse_s3_url(url)
        stuck = SetKey.from_key(key)
        where = resources()
        if self.hook.check_for_key(stuck.manifest, where.raw_bucket):
            function, dead_letters = "transform_listings", where.transform_dead_letter_url
        else:
            function, dead_letters = "copy_raw", where.copy_dead_letter_url
        return (
            f"{url} is missing after {self.timeout:g} s: the set is stuck before {function}. Look for its "
            f"manifest {stuck.manifest} in the dead-letter queue {dead_letters} and in the function's log; "
            "reconcile_listings sends it again"
        )
