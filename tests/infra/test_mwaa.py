"""The package for MWAA, unpacked as MWAA unpacks it: Airflow finds the DAGs, the plugin and include, and needs no more.

The Python is that of whoever runs the tests: `make test-floors` has the versions of MWAA.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.aws.account import DeployError
from infra.aws.outputs import SETTINGS
from infra.package.mwaa import AIRFLOW_OPTIONS, AIRFLOW_VERSION, API_POOL, Package, make_pool, package, startup_script
from tests.support.dag_ids import DAG_IDS
from tests.support.template import of_type, read_template

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "listings-dev"
# What MWAA sets itself and lets nobody change: `essential` in its image's python/mwaa/config/airflow.py, and what its
# setup_environment.py protects.
TAKEN = {
    "api.base_url",
    "api.secret_key",
    "api_auth.jwt_algorithm",
    "api_auth.jwt_secret",
    "celery.broker_url",
    "celery.celery_config_options",
    "celery.result_backend",
    "celery.worker_enable_remote_control",
    "core.auth_manager",
    "core.execution_api_server_url",
    "core.executor",
    "core.fernet_key",
    "core.load_examples",
    "core.multi_team",
    "database.sql_alchemy_conn",
    "execution_api.jwt_expiration_time",
    "fab.config_file",
    "logging.colored_console_log",
    "logging.logging_config_class",
    "operators.default_queue",
    "scheduler.standalone_dag_processor",
    "triggerer.queues_enabled",
}
# What the image installs, as far as the DAGs are concerned; everything that these need is there too.
IMAGE = [
    "apache-airflow",
    "apache-airflow-providers-amazon",
    "apache-airflow-providers-common-compat",
    "apache-airflow-providers-common-sql",
    "apache-airflow-providers-http",
    "apache-airflow-providers-smtp",
    "apache-airflow-providers-standard",
    "redshift-connector",
]
# Arguments: what is installed, then the bodies of the requests for the pool. Packages that are not there raise.
LOOK = """
import importlib, importlib.abc, json, re, sys
from importlib import metadata
from packaging.requirements import Requirement

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

there, todo = set(), [Requirement(each) for each in json.loads(sys.argv[1])]
while todo:
    wanted = todo.pop()
    extras = wanted.extras or {""}
    if (plain(wanted.name), *extras) in there:
        continue
    there.add((plain(wanted.name), *extras))
    for line in metadata.requires(wanted.name) or []:
        needed = Requirement(line)
        if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            todo.append(needed)
names = {name for name, *_ in there}
absent = {
    module
    for module, owners in metadata.packages_distributions().items()
    if not names & {plain(owner) for owner in owners} and module not in ("airflow", "google", "_distutils_hack")
}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}, on MWAA", name=name)

sys.meta_path.insert(0, Absent())
from airflow import plugins_manager, settings
from airflow.api_fastapi.core_api.datamodels.pools import PoolBody, PoolPatchBody
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(settings.DAGS_FOLDER)
plugins, errors = plugins_manager._get_plugins()
folder = str(settings.PLUGINS_FOLDER)
loaded = [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(folder)]
parts = ("include.report.html", "include.report.exports", "include.report.page.pictures")
include = [importlib.import_module(name) for name in parts]
page = importlib.import_module("listings_ui.app").create_app()
made, changed = (json.loads(argument) for argument in sys.argv[2:])
print("FOUND " + json.dumps({
    "airflow": metadata.version("apache-airflow"),
    "absent": sorted(absent),
    "dags": sorted(bag.dags),
    "dag_errors": {str(name): str(words) for name, words in bag.import_errors.items()},
    "plugins": sorted(str(plugin.name) for plugin in plugins),
    "plugin_errors": {str(name): str(words) for name, words in errors.items()},
    "loaded": sorted(name for name in loaded if name.partition(".")[0] != "include"),
    "include": sorted({str(module.__file__).partition("include")[0] for module in include}),
    "page": type(page).__name__,
    "pools": [PoolBody(**made).slots, PoolPatchBody(**changed).slots],
}))
"""
# As bin/airflow-user/execute-user-startup-script of the image does it, with env in place of jq.
SOURCE = """
handle_exit() { env -0 > "$OUT"; unalias exit; exit; }
shopt -s expand_aliases
alias exit=handle_exit
source "$SCRIPT"
handle_exit
"""


@dataclass(frozen=True)
class Unpacked:
    """Airflow's home on a machine of MWAA, with nothing of the checkout within reach."""

    home: Path

    def airflow(self, *arguments: str, required: str = "") -> dict[str, Any]:
        """What a process of Airflow finds there, with `required` installed over what the image has."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "us-east-1",
            **{f"AIRFLOW__{name.replace('.', '__').upper()}": value for name, value in AIRFLOW_OPTIONS.items()},
            # Nothing is looked up here, and nothing could be.
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
        done = subprocess.run(
            [sys.executable, "-c", LOOK, json.dumps([*IMAGE, *required.split()]), *arguments],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stderr[-3000:]
        [line] = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
        found = json.loads(line.removeprefix("FOUND "))
        assert isinstance(found, dict)
        return found


def unpack(made: Package, home: Path) -> Unpacked:
    """Puts the package where MWAA puts it."""
    shutil.copytree(made.dags, home / "dags")
    with zipfile.ZipFile(made.plugins) as archive:
        archive.extractall(home / "plugins")
    return Unpacked(home)


def checkout(folder: Path) -> Path:
    """A copy of what the package is made from."""
    for name in ("dags", "plugins", "include", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache"))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pool_requests(*answers: int) -> list[dict[str, Any]]:
    """The bodies that `make_pool` sends to an MWAA that answers with these HTTP statuses."""
    client = boto3.client("mwaa", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    sent: list[dict[str, Any]] = []
    client.meta.events.register(
        "before-parameter-build.mwaa.InvokeRestApi", lambda params, **_: sent.append(dict(params))
    )
    with Stubber(client) as stub:
        for status in answers:
            if status < 300:
                stub.add_response("invoke_rest_api", {"RestApiStatusCode": status})
            else:
                facts = {"RestApiStatusCode": status, "RestApiResponse": {"detail": "Unique constraint violation"}}
                stub.add_client_error("invoke_rest_api", "RestApiClientException", modeled_fields=facts)
        make_pool(client, ENVIRONMENT, 2)
        stub.assert_no_pending_responses()
    return sent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of this checkout."""
    return package(tmp_path_factory.mktemp("package"), stage="dev")


@pytest.fixture(scope="module")
def found(made: Package, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow finds on a machine with the package and its requirements."""
    unpacked = unpack(made, tmp_path_factory.mktemp("mwaa"))
    bodies = [json.dumps(pool_requests(*answers)[-1]["Body"]) for answers in ([200], [409, 200])]
    return unpacked.airflow(*bodies, required=made.requirements.read_text())


def test_airflow_finds_every_dag_and_none_fails_to_import(found: dict[str, Any]) -> None:
    """The DAGs are there, in a folder with nothing else, and import what lies in plugins.zip."""
    assert DAG_IDS == found["dags"]
    assert {} == found["dag_errors"]


def test_the_page_is_the_only_plugin(found: dict[str, Any]) -> None:
    """listings_page loads, and no module of include/ or listings_ui/ is taken for a plugin."""
    assert {} == found["plugin_errors"]
    assert ["listings_page"] == [name for name in found["plugins"] if "listings" in name]
    assert ["listings_page"] == found["loaded"]
    assert "FastAPI" == found["page"]


def test_include_comes_from_the_plugins_folder(found: dict[str, Any]) -> None:
    """Not from the checkout: Airflow's own path leads there, without PYTHONPATH."""
    [place] = found["include"]
    assert place.endswith("/plugins/")
    assert not Path(place).is_relative_to(ROOT)


def test_what_the_image_and_the_requirements_bring_is_enough(found: dict[str, Any]) -> None:
    """DAGs, report, exports and page import nothing that MWAA has not: pandas, numpy and the tests' tools are away."""
    assert {} == found["dag_errors"]
    assert {"pandas", "numpy", "pytest"} <= set(found["absent"])
    assert {"altair", "pyarrow", "vl_convert"}.isdisjoint(found["absent"])


def test_without_the_requirements_it_is_not(made: Package, tmp_path: Path) -> None:
    """The image alone does not do: what is away there is missed, so the test above would find what is missing."""
    with pytest.raises(AssertionError, match=r"No module named '(altair|pyarrow|vl_convert)', on MWAA"):
        unpack(made, tmp_path).airflow("{}", "{}")


def test_requirements_are_those_that_the_floors_test(made: Package) -> None:
    """Exact versions out of requirements/floors.txt; no index, no constraints, no option, as MWAA brings its own."""
    lines = made.requirements.read_text().splitlines()
    floors = (ROOT / "requirements" / "floors.txt").read_text()

    assert ["altair", "pyarrow", "vl-convert-python"] == [line.partition("==")[0] for line in lines]
    assert [] == [line for line in lines if f"\n{line} " not in floors]
    assert "\npyarrow==25.0.0 " in floors, "what the constraints of MWAA hold"
    assert f"\napache-airflow=={AIRFLOW_VERSION} " in floors


def test_the_package_is_the_same_bytes_twice(made: Package, tmp_path: Path) -> None:
    """Another checkout with the same content, and caches beside it, gives the same package."""
    copy = checkout(tmp_path / "copy")
    (copy / "include" / "__pycache__").mkdir()
    (copy / "include" / "__pycache__" / "keys.cpython-312.pyc").write_bytes(b"compiled")
    (copy / "plugins" / ".ruff_cache").mkdir()
    (copy / "plugins" / ".ruff_cache" / "CACHEDIR.TAG").write_text("cache")
    os.utime(copy / "include" / "base" / "keys.py", (1, 1))

    again = package(tmp_path / "again", stage="dev", root=copy)
    assert content(made.plugins.parent) == content(again.plugins.parent)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ("dags/sense_listings.py", "dags/sense_listings.py"),
        ("include/base/keys.py", "plugins.zip"),
        ("include/sql/load/010_lock.sql", "plugins.zip"),
        ("plugins/listings_ui/page.css", "plugins.zip"),
        ("plugins/.airflowignore", "plugins.zip"),
    ],
)
def test_a_changed_file_changes_the_package(made: Package, tmp_path: Path, changed: str, where: str) -> None:
    """Exactly the part that holds the file."""
    copy = checkout(tmp_path / "copy")
    with (copy / changed).open("a") as file:
        file.write("\n")

    before, after = content(made.plugins.parent), content(package(tmp_path / "new", stage="dev", root=copy).dags.parent)
    assert [where] == [name for name in before if before[name] != after[name]]


def test_a_dag_that_is_gone_is_gone_from_the_package(tmp_path: Path) -> None:
    """A package made over an older one keeps nothing of it."""
    copy = checkout(tmp_path / "copy")
    package(tmp_path / "out", root=copy)
    (copy / "dags" / "sense_listings.py").unlink()

    assert not (package(tmp_path / "out", root=copy).dags / "sense_listings.py").exists()


def test_a_checkout_without_a_folder_is_refused(tmp_path: Path) -> None:
    """No package without plugins is made in silence."""
    copy = checkout(tmp_path / "copy")
    shutil.rmtree(copy / "plugins")

    with pytest.raises(FileNotFoundError, match="Run from a complete checkout"):
        package(tmp_path / "out", root=copy)


def sourced(folder: Path, script: str, aws: str) -> tuple[dict[str, str], str]:
    """The environment that Airflow would get, and what the script said, with a command `aws` that does this."""
    (folder / "bin").mkdir()
    (folder / "bin" / "aws").write_text(f"#!/bin/sh\n{aws}\n")
    (folder / "bin" / "aws").chmod(0o755)
    (folder / "startup.sh").write_text(script)
    done = subprocess.run(
        ["bash", "-c", SOURCE],
        env={
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "SCRIPT": str(folder / "startup.sh"),
            "OUT": str(folder / "out"),
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "" == done.stderr
    pairs = (each.partition("=") for each in (folder / "out").read_text().split("\0") if each)
    return {name: value for name, _, value in pairs}, done.stdout


def test_the_startup_script_takes_the_settings_of_its_stage(tmp_path: Path) -> None:
    """Airflow gets the LISTINGS_* lines of the stage's parameter as they are, and nothing else that stands there."""
    values = {"LISTINGS_RAW_BUCKET": "raw", "LISTINGS_ALERT_TO": "a@example.com, b@example.com; $(false) 'x'"}
    lines = "\n".join([*(f"{name}={value}" for name, value in values.items()), "PATH=/nowhere", "PYTHONPATH=/x"])
    call = "ssm get-parameter --name /listings/dev/settings --query Parameter.Value --output text"
    aws = f"""[ "$*" = '{call}' ] || exit 2
cat <<'LINES'
{lines}
LINES"""

    environment, words = sourced(tmp_path, startup_script("dev", {"LISTINGS_TRANSFORM_VERSION": "aaaaaaaaaaaa"}), aws)
    mine = {name: value for name, value in environment.items() if name.lower().startswith(("listings", "pythonpath"))}
    assert {**values, "LISTINGS_TRANSFORM_VERSION": "aaaaaaaaaaaa"} == mine
    assert "" == words


def test_a_stage_without_a_parameter_is_told_in_the_log(tmp_path: Path) -> None:
    """The script ends as ever, says which parameter cannot be read, and exports nothing."""
    environment, words = sourced(tmp_path, startup_script("dev"), "exit 255")

    assert "listings: /listings/dev/settings cannot be read." in words
    assert [] == [name for name in environment if name.startswith("LISTINGS")]


def test_given_settings_are_exported_as_they_are(tmp_path: Path) -> None:
    """Any value, quotes and all, without a call to AWS."""
    settings = {name: f"value of '{name}' for $5" for name in SETTINGS}
    environment, _ = sourced(tmp_path, startup_script(settings=settings), "exit 255")

    assert settings == {name: value for name, value in environment.items() if name in settings}


def test_without_a_stage_it_is_a_form_that_exports_nothing(tmp_path: Path) -> None:
    """Each setting that include/base/settings.py needs is named in a comment."""
    script = startup_script()
    environment, _ = sourced(tmp_path, script, "exit 255")

    assert [] == [name for name in environment if name.startswith("LISTINGS")]
    assert [] == [name for name in SETTINGS if f"# export {name}=\n" not in script]


def test_mwaa_takes_each_option() -> None:
    """Its name has the form that MWAA asks for, its value is printable text, and MWAA does not set it itself."""
    shapes = boto3.client("mwaa", region_name="us-east-1").meta.service_model
    form = shapes.shape_for("AirflowConfigurationOptions").key.metadata["pattern"]

    assert [] == [name for name in AIRFLOW_OPTIONS if not re.fullmatch(form, name) or len(name) > 64]
    assert [] == [value for value in AIRFLOW_OPTIONS.values() if not re.fullmatch(r"[ -~]+", value)]
    assert set() == TAKEN & set(AIRFLOW_OPTIONS)
    assert [] == [name for name in AIRFLOW_OPTIONS if name.startswith("metrics.")]


def test_the_template_gives_the_environment_these_options() -> None:
    """Name by name what the package was written for, and the version that it was tested on."""
    environments = of_type(read_template(), "AWS::MWAA::Environment").values()

    assert [(dict(AIRFLOW_OPTIONS), AIRFLOW_VERSION)] == [
        (part["Properties"]["AirflowConfigurationOptions"], part["Properties"]["AirflowVersion"])
        for part in environments
    ]


def test_secrets_are_looked_up_as_on_the_local_stack() -> None:
    """The same backend asks for the same names; the role is the environment's own."""
    source = ast.parse((ROOT / "local" / "stack" / "airflow_environment.py").read_text())
    [pattern] = [
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONNECTION_PATTERN"
    ]

    assert {
        "connections_prefix": "airflow/connections",
        "connections_lookup_pattern": pattern,
        "variables_prefix": None,
        "config_prefix": None,
    } == json.loads(AIRFLOW_OPTIONS["secrets.backend_kwargs"])


def test_the_pool_is_made() -> None:
    """One POST to Airflow's API, through MWAA."""
    [request] = pool_requests(200)

    assert (ENVIRONMENT, "POST", "/pools") == (request["Name"], request["Method"], request["Path"])
    assert (API_POOL, 2, False) == tuple(request["Body"][name] for name in ("name", "slots", "include_deferred"))


def test_a_pool_that_is_there_is_changed() -> None:
    """Airflow says 409 to a second one: it is given its slots by PATCH."""
    request = pool_requests(409, 200)[-1]

    assert ("PATCH", f"/pools/{API_POOL}") == (request["Method"], request["Path"])
    assert (API_POOL, 2) == (request["Body"]["pool"], request["Body"]["slots"])


def test_airflow_takes_both_requests(found: dict[str, Any]) -> None:
    """Its own models accept the bodies, which they do not where a field is unknown."""
    assert [2, 2] == found["pools"]


@pytest.mark.parametrize("answers", [[403], [409, 403]])
def test_a_pool_that_is_refused_stops_the_deploy(answers: list[int]) -> None:
    """It says which environment, and Airflow's words."""
    with pytest.raises(DeployError, match=r"listings-dev was not given pool zillow_api.*Unique constraint"):
        pool_requests(*answers)
