"""What every DAG shares: owner, retries, start date, tags and the names of the connections."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from include.alerts import callbacks
from include.base.refusals import Refused
from include.base.settings import tuning

AWS_CONN_ID = "aws_s3_conn"
REDSHIFT_CONN_ID = "conn_id_redshift"
COPY_CONN_ID = "redshift_copy_role"
API_POOL = "zillow_api"

START_DATE = tuning().start_date
TAGS = ["listings"]

# For tasks that only look, or put what they would put again: passing outages of a minute need nobody. Whatever a
# person must look at (a closed gate, a time-out of a sensor) fails at once all the same.
LOOK_AGAIN: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=10)}

# A failed task is looked at, not repeated blindly: what passes by waiting is repeated inside the API call.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": "listings",
    "retries": tuning().retries,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": ExceptionRetryPolicy([RetryRule(Refused, RetryAction.FAIL, reason="no waiting cures it")]),
    "execution_timeout": timedelta(minutes=30),
    **callbacks(),
}
