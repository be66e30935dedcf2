"""The operator of the load: a COPY that leaves the reason of its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from airflow.providers.amazon.aws.transfers.s3_to_redshift import S3ToRedshiftOperator

from include.dag_defaults import COPY_CONN_ID, REDSHIFT_CONN_ID
from include.load.steps import fault_noted

if TYPE_CHECKING:
    from airflow.sdk import Context


class CopyToStagingOperator(S3ToRedshiftOperator):
    """COPY into a staging table, in place of what is there, leaving the reason of a failure for `record_suspects`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(method="REPLACE", **kwargs)

    @classmethod
    def of(cls, table: str) -> Self:
        """The task that copies the batch of its mapped group into its table of staged `listings` or `rejects`.

        It sends no mail when it fails: whoever names the suspects does.
        """
        return cls(
            task_id=f"copy_{table}",
            redshift_conn_id=REDSHIFT_CONN_ID,
            aws_conn_id=COPY_CONN_ID,
            s3_bucket="{{ copy_of(ti).bucket }}",
            s3_key=f"{{{{ copy_of(ti).{table}_manifest }}}}",
            table=f"{{{{ batch_of(ti).staging_{table} }}}}",
            copy_options=["FORMAT AS PARQUET", "MANIFEST"],
            on_failure_callback=None,
        )

    def execute(self, context: Context) -> None:
        """Copies, but for a batch without sets; whatever is raised is noted first."""
        with fault_noted(context["ti"]):
            if self.s3_key:
                super().execute(context)
