"""The form of a reconciliation: how far to look back, and whether to retry what waits for a person."""

from __future__ import annotations

from airflow.sdk import Param

from include.base.settings import tuning

PARAMS = {
    "days": Param(
        max(1, tuning().reconcile_days),
        type="integer",
        minimum=1,
        maximum=max(400, tuning().reconcile_days),
        title="Days",
        description="How many dates to look back on: more after a long outage, or for a set of an earlier date.",
    ),
    "retry_stuck": Param(
        False,
        type="boolean",
        title="Retry what is stuck",
        description="Send also the sets again that were sent for hours and wait for a person.",
    ),
}
