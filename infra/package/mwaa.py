"""Knows what Amazon's managed Airflow (MWAA) is handed: DAGs, plugins.zip, requirements.txt, startup.sh, options, pool.

What it makes of them stands in AWS's guide and in the sources of its image (aws/amazon-mwaa-docker-images, 3.3.1):

- plugins.zip is unpacked into the plugins folder, which Airflow appends to sys.path: `include` lies in it, beside the
  plugins. PYTHONPATH is MWAA's own; whoever exports it in startup.sh is overruled.
- requirements.txt is installed under the constraints of its Airflow version, since it names none of its own.
- startup.sh is sourced by bash in each container, before anything is installed; an option of the environment, like
  those below, overrules what it exports.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import DeployError
from infra.aws.artifacts import write_zip
from infra.aws.outputs import SETTINGS
from infra.host.host_environment import CONNECTION_PATTERN

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_OUT = PROJECT_ROOT / ".local" / "mwaa"

AIRFLOW_VERSION = "3.3.1"
# The image has neither of these; the versions are those that requirements/floors.txt tests.
REQUIRED = ("altair", "pyarrow", "vl-convert-python")
API_POOL = "zillow_api"

_SECRETS: Mapping[str, str | None] = {
    "connections_prefix": "airflow/connections",
    "connections_lookup_pattern": CONNECTION_PATTERN,
    "variables_prefix": None,
    "config_prefix": None,
}
# The environment's AirflowConfigurationOptions. MWAA decides the rest itself: executor, auth manager, logging, the
# database, keys, metrics. Tasks start in an interpreter of their own there, so that nothing is imported ahead.
AIRFLOW_OPTIONS: Mapping[str, str] = {
    # As many markets as docs/aws.md promises, in one run.
    "core.max_map_length": "10000",
    "core.max_templated_field_length": "65536",
    "dag_processor.dag_version_inflation_check_level": "error",
    "secrets.backend": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
    "secrets.backend_kwargs": json.dumps(_SECRETS),
    # A task outlives a web server that is replaced: that takes a minute, and happens when there are more of them.
    "workers.execution_api_retries": "8",
    "workers.execution_api_timeout": "20",
}

_HEAD = """\
# MWAA sources this in each of its containers before Airflow starts: what it exports, Airflow's processes have.
# No secret belongs here. Connections are in Secrets Manager.
"""
# The parameter is written by the stack, so that what only a deployed stack knows need not be known to the script.
_READ_PARAMETER = """
listings_settings="$(aws ssm get-parameter --name {name} --query Parameter.Value --output text)" ||
    echo {complaint}
while IFS= read -r listings_setting; do
    case "$listings_setting" in
        LISTINGS_*=*) export "$listings_setting" ;;
    esac
done <<< "$listings_settings"
unset listings_settings listings_setting
"""


@dataclass(frozen=True)
class Package:
    """What lies in the code bucket under mwaa/: a folder of DAG files and three files, each by its path here."""

    dags: Path
    plugins: Path
    requirements: Path
    startup: Path


def package(
    out_dir: Path,
    *,
    stage: str = "",
    settings: Mapping[str, str] = MappingProxyType({}),
    root: Path = PROJECT_ROOT,
) -> Package:
    """Writes the package of the checkout at `root` into `out_dir`; the same content gives the same bytes.

    `stage` and `settings`: see `startup_script`. Raises FileNotFoundError for a checkout that is not whole, and
    LookupError when requirements/floors.txt does not pin what the image lacks.
    """
    made = Package(out_dir / "dags", out_dir / "plugins.zip", out_dir / "requirements.txt", out_dir / "startup.sh")
    dags = {name: content for name, content in _content(root / "dags") if name.endswith(".py")}
    plugins = dict(_content(root / "plugins"))
    plugins |= {f"include/{name}": content for name, content in _content(root / "include")}
    shutil.rmtree(made.dags, ignore_errors=True)  # a DAG that is gone is to be gone there
    made.dags.mkdir(parents=True)
    for name, content in dags.items():
        (made.dags / name).write_bytes(content)
    write_zip(made.plugins, plugins)
    made.requirements.write_text(requirements(root), encoding="utf-8")
    made.startup.write_text(startup_script(stage, settings), encoding="utf-8")
    return made


def requirements(root: Path = PROJECT_ROOT) -> str:
    """The text of requirements.txt: what MWAA's image lacks, in the versions of requirements/floors.txt."""
    floors = (root / "requirements" / "floors.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", floors, re.MULTILINE))
    missing = [name for name in REQUIRED if name not in pinned]
    if missing:
        raise LookupError(f"requirements/floors.txt does not pin {', '.join(missing)}; run make lock.")
    return "".join(f"{name}=={pinned[name]}\n" for name in REQUIRED)


def startup_script(stage: str = "", settings: Mapping[str, str] = MappingProxyType({})) -> str:
    """The text of startup.sh.

    With a `stage` the script reads what the stack of that stage wrote into its parameter /listings/<stage>/settings.
    `settings` it exports by itself, over those. Without either it is a form for a person to fill in.
    """
    script = _HEAD
    if stage:
        name = f"/listings/{stage}/settings"
        complaint = f"listings: {name} cannot be read. Tasks will fail and name the settings that they lack."
        script += _READ_PARAMETER.format(name=shlex.quote(name), complaint=shlex.quote(complaint))
    elif not settings:
        script += "# Each is an output of the stack.\n" + "".join(f"# export {name}=\n" for name in SETTINGS)
    return script + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(settings.items()))


def make_pool(client: Any, environment_name: str, slots: int) -> None:
    """Makes the pool that tasks asking the listing API wait in, or gives it this many slots.

    `client` is boto3's of "mwaa". The environment must be there already: nothing before its first start reaches its
    database. Raises DeployError with Airflow's words.
    """
    pool = {
        "slots": slots,
        "description": "Tasks that may ask the listing API at the same time",
        "include_deferred": False,
    }
    try:
        client.invoke_rest_api(Name=environment_name, Method="POST", Path="/pools", Body={"name": API_POOL, **pool})
    except ClientError as error:
        if error.response.get("RestApiStatusCode") != 409:
            raise _refused(environment_name, error) from error
        _change_pool(client, environment_name, {"pool": API_POOL, **pool})


def _change_pool(client: Any, environment_name: str, body: Mapping[str, Any]) -> None:
    try:
        client.invoke_rest_api(Name=environment_name, Method="PATCH", Path=f"/pools/{API_POOL}", Body=body)
    except ClientError as error:
        raise _refused(environment_name, error) from error


def _refused(environment_name: str, error: ClientError) -> DeployError:
    words = error.response.get("RestApiResponse", error)
    return DeployError(
        f"MWAA environment {environment_name} was not given pool {API_POOL}, which extractions wait for: {words}"
    )


def _content(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file in a folder that Airflow is to have; the tools' own files stay at home."""
    if not folder.is_dir():
        raise FileNotFoundError(f"MWAA needs {folder}, and it is not there. Run from a complete checkout.")
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in within.parts) and within.name != ".airflowignore"
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield within.as_posix(), path.read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Writes the package and prints where it is."""
    parser = argparse.ArgumentParser(prog="python -m infra.package.mwaa", description="Writes what MWAA is handed.")
    parser.add_argument("--stage", default="", help="stage whose stack the startup script takes its settings from")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the package (%(default)s)")
    chosen = parser.parse_args(arguments)
    made = package(chosen.out, stage=chosen.stage)
    for path in (made.dags, made.plugins, made.requirements, made.startup):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
