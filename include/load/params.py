"""The form of a load: whether to take also what waits for a person."""

from __future__ import annotations

from airflow.sdk import Param

PARAMS = {
    "retry_suspects": Param(
        False,
        type="boolean",
        title="Retry suspects",
        description="Load also the sets that failed alone in too many hours and wait for a person.",
    )
}
