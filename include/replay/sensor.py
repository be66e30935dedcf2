"""The sensor of a replay: on time-out it names the sets that were not cleaned again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from include.base.settings import resources
from include.replay.steps import DateReplay

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplayedSetsSensor(BaseSensorOperator):
    """Waits until every set that a replay asked for has been cleaned since; on time-out names those that were not.

    :param date: the date of the replay that is waited for (templated).
    """

    template_fields: Sequence[str] = ("date",)

    def __init__(self, *, date: str, aws_conn_id: str = "aws_s3_conn", **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.date = date
        self.aws_conn_id = aws_conn_id

    def poke(self, context: Context) -> bool:
        """Whether none is missing."""
        missing = self._replay(context).missing()
        self.log.info("%d of the sets of %s are not clean yet", len(missing), self.date)
        return not missing

    def execute(self, context: Context) -> None:
        """Pokes once; raises AirflowSensorTimeout with the names when the time is up."""
        try:
            super().execute(context)
        except AirflowSensorTimeout as timeout:
            if words := self._replay(context).waited_in_vain(self.timeout):
                raise AirflowSensorTimeout(words) from timeout

    def _replay(self, context: Context) -> DateReplay:
        client = S3Hook(aws_conn_id=self.aws_conn_id).get_conn()
        return DateReplay.of(client, resources(), context["dag_run"], self.date)
