"""How Airflow is told what it needs: one environment, the same for its four processes and for a person."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.stack.deployment import ACCOUNT_REGION, Deployment
from local.stack.home import ROOT, Home, write_private
from local.stack.ports import LOOPBACK, Ports

BIN = ROOT / ".venv" / "airflow" / "bin"
UI_USER = "admin"
API_POOL = "zillow_api"
# Only names of ours are looked up: every other name would cost a call to Secrets Manager.
CONNECTION_PATTERN = "^(zillow_|aws_s3_conn$|conn_id_redshift$|redshift_copy_role$|smtp_)"
# Imported once into the server that tasks are forked from, not once for each task.
PRELOADED = "include.preload"
SESSION_FACTORY = "include.aws_sessions.SharedLoaderSessionFactory"
# As many markets as docs/aws.md promises; Airflow's own bound is 1,024 of anything that is mapped.
MOST_MAPPED = 10_000
# The local API takes more requests a second than a plan of the real one does.
LOCAL_TUNING = {"LISTINGS_REQUESTS_PER_SECOND": "16", "LISTINGS_API_SLOTS": "3"}
# The mail server is nothing of the stack's own: where there is one, the caller says so in Airflow's way.
MAIL_CONNECTION = "AIRFLOW_CONN_SMTP_LISTINGS"
# Settings of ours that the stack decides itself, whatever the caller's shell says.
OWN = ("LISTINGS_HOME", "LISTINGS_STACK", "LISTINGS_PORT_")


def airflow_environment(home: Home, ports: Ports, deployment: Deployment, caller: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of Airflow's processes, but for the mark of the stack.

    `caller` is the environment of who starts the stack: its LISTINGS_* settings are handed on, and its mail server.
    """
    # Without a start date of its own Airflow would run the last due schedule as soon as a DAG is unpaused.
    tuning = {"LISTINGS_START_DATE": home.since(), **_tuning(caller)}
    return _process(home) | _airflow(home, ports, deployment) | _aws(ports, deployment) | tuning | deployment.settings()


def settings_environment(home: Home, caller: Mapping[str, str]) -> dict[str, str]:
    """What Airflow's code needs to read the settings that the caller chose, before there is anything else."""
    return _process(home) | _tuning(caller)


def database_environment(home: Home, ports: Ports) -> dict[str, str]:
    """What Airflow needs for work on its database alone, before anything is deployed."""
    return _process(home) | {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(ports, home.secrets()),
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__FERNET_KEY": home.secrets()["fernet_key"],
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home.logs / "airflow"),
    }


def write_for_a_person(home: Home, environment: Mapping[str, str]) -> None:
    """Writes airflow.env: `set -a; . .local/airflow.env` and then Airflow's commands work in that shell."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    write_private(home.airflow_env_file, "\n".join(lines) + "\n")


def database_url(ports: Ports, secrets: Mapping[str, str]) -> str:
    """Where Airflow keeps its metadata."""
    return f"postgresql+psycopg2://airflow:{secrets['airflow']}@{LOOPBACK}:{ports.postgres}/airflow"


def _tuning(caller: Mapping[str, str]) -> dict[str, str]:
    """The local defaults, and over them the caller's LISTINGS_* settings and mail server."""
    handed_on = {
        name: value
        for name, value in caller.items()
        if name == MAIL_CONNECTION or (name.startswith("LISTINGS_") and not name.startswith(OWN))
    }
    return {**LOCAL_TUNING, **handed_on}


def _process(home: Home) -> dict[str, str]:
    return {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home.airflow),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        # setproctitle would write over the environment that the stack knows its processes by.
        "SPT_NOENV": "1",
    }


def _airflow(home: Home, ports: Ports, deployment: Deployment) -> dict[str, str]:
    secrets, url = home.secrets(), f"http://{LOOPBACK}:{ports.ui}"
    settings: dict[str, dict[str, Any]] = {
        "core": {
            "dags_folder": ROOT / "dags",
            "plugins_folder": _existing(ROOT / "plugins", home.airflow / "plugins"),
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": 8,
            "dags_are_paused_at_creation": True,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": secrets["fernet_key"],
            "simple_auth_manager_users": f"{UI_USER}:admin",
            "simple_auth_manager_passwords_file": passwords_file(home),
            "max_templated_field_length": 65536,
            "max_map_length": MOST_MAPPED,
            # Of a file, in seconds: what takes one on a machine of one's own takes a minute on a busy one.
            "dagbag_import_timeout": 150,
            "mp_start_method": "forkserver",
            "mp_forkserver_preload": PRELOADED,
        },
        "aws": {"session_factory": SESSION_FACTORY},
        "database": {
            "sql_alchemy_conn": database_url(ports, secrets),
            "load_default_connections": False,
        },
        # A task outlives an api-server that is away for a minute, or that a busy machine makes slow.
        "workers": {"execution_api_timeout": 20, "execution_api_retries": 8},
        "logging": {"base_log_folder": home.logs / "airflow"},
        "api": {"base_url": url, "secret_key": secrets["api_secret_key"], "workers": 1},
        "api_auth": {"jwt_secret": secrets["jwt_secret"]},
        "dag_processor": {
            "dag_version_inflation_check_level": "error",
            "dag_file_processor_timeout": 180,
            "min_file_process_interval": 30,
            "refresh_interval": 30,
        },
        "secrets": {
            "backend": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
            "backend_kwargs": json.dumps(
                {
                    "connections_prefix": "airflow/connections",
                    "connections_lookup_pattern": CONNECTION_PATTERN,
                    "variables_prefix": None,
                    "config_prefix": None,
                    "region_name": ACCOUNT_REGION,
                    "role_arn": deployment.outputs["AirflowRoleArn"],
                }
            ),
        },
    }
    named = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, keys in settings.items()
        for key, value in keys.items()
    }
    return named | {"AIRFLOW_HOME": str(home.airflow)}


def _aws(ports: Ports, deployment: Deployment) -> dict[str, str]:
    endpoint = f"http://{LOOPBACK}:{ports.ministack}"
    return {
        # Both: without the second, AssumeRole would go to the internet.
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
        "AWS_DEFAULT_REGION": ACCOUNT_REGION,
        "AWS_ACCESS_KEY_ID": deployment.base_access_key_id,
        "AWS_SECRET_ACCESS_KEY": deployment.base_secret_access_key,
        # Whatever this person has for AWS itself stays out of it.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def passwords_file(home: Home) -> Path:
    """Where Airflow's simple login reads the passwords from."""
    return home.airflow / "passwords.json"


def _existing(wanted: Path, instead: Path) -> Path:
    return wanted if wanted.is_dir() else instead
