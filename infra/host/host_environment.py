"""Knows what Airflow must be told about this very host: paths, addresses, and where its logs go."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from infra.host.layout import Layout, write

# Only names of ours are looked up: every other name would cost a call to Secrets Manager.
CONNECTION_PATTERN = "^(zillow_|aws_s3_conn$|conn_id_redshift$|redshift_copy_role$|smtp_)"
LOG_CONNECTION = "aws_s3_conn"
UI_HOST, UI_PORT, UI_URL = "LISTINGS_UI_HOST", "LISTINGS_UI_PORT", "LISTINGS_UI_URL"
LOG_BUCKET = "LISTINGS_LOG_BUCKET"
REGION = "AWS_DEFAULT_REGION"


def host_environment(layout: Layout, settings: Mapping[str, str], since: str, host_name: str) -> dict[str, str]:
    """The variables of host.env, from what the deploy says in `settings`.

    Raises KeyError when the settings lack the region.
    """
    current, port = layout.current, settings.get(UI_PORT, "8443")
    backend = {
        "connections_prefix": "airflow/connections",
        "connections_lookup_pattern": CONNECTION_PATTERN,
        "variables_prefix": None,
        "config_prefix": None,
        # No role to assume: the instance's own identity is Airflow's.
        "region_name": settings[REGION],
    }
    return {
        "AIRFLOW_HOME": str(layout.state),
        "PYTHONPATH": str(current),
        # Without a start date of its own Airflow would run the last due schedule as soon as a DAG is unpaused.
        "LISTINGS_START_DATE": since,
        "AIRFLOW__CORE__DAGS_FOLDER": str(current / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(current / "plugins"),
        # By address: the server need not listen on IPv6, which the name may mean as well.
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"https://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.passwords),
        # On all interfaces; who may come near is the security group's matter.
        "AIRFLOW__API__HOST": settings.get(UI_HOST, "0.0.0.0"),  # noqa: S104
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": settings.get(UI_URL, f"https://{host_name}:{port}"),
        # The server's, and what the tasks trust it by.
        "AIRFLOW__API__SSL_CERT": str(layout.certificate),
        "AIRFLOW__API__SSL_KEY": str(layout.certificate_key),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.state / "logs"),
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(backend),
        **_remote_logs(settings),
    }


def _remote_logs(settings: Mapping[str, str]) -> dict[str, str]:
    """Task logs go to the bucket when a try ends, where they outlive the host; without a bucket they stay here."""
    if not settings.get(LOG_BUCKET):
        return {}
    return {
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{settings[LOG_BUCKET]}/task-logs",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": LOG_CONNECTION,
        "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS": "True",
        "AIRFLOW__LOGGING__ENCRYPT_S3_LOGS": "True",
    }


def since(layout: Layout) -> str:
    """When this host was first installed, ISO 8601; noted at the first call."""
    if not layout.since.exists():
        write(layout.since, datetime.now(UTC).isoformat(timespec="seconds") + "\n")
    return layout.since.read_text(encoding="utf-8").strip()


def names_of_host(settings: Mapping[str, str]) -> list[str]:
    """The names that a browser may know the host by: its own, and the one in the address of the pages."""
    public = urlsplit(settings.get(UI_URL, "")).hostname
    return [name for name in (socket.getfqdn(), socket.gethostname(), public) if name]
