"""What a task inherits: a fork server is started as the scheduler of a host starts it, and processes forked from it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from botocore.loaders import JSONFileLoader

from infra.host import env_file
from tests.dags.conftest import PROJECT_ROOT
from tests.support.backends import Extraction
from tests.support.ministack import REGION

# Two interpreters import all of Airflow, which takes minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(300)
SETTINGS = ("AIRFLOW__CORE__MP_START_METHOD", "AIRFLOW__CORE__MP_FORKSERVER_PRELOAD", "AIRFLOW__AWS__SESSION_FACTORY")
# As the scheduler does before it makes its executor; each argument is run in a process of its own, one after the other.
SCHEDULER = """
import multiprocessing, sys
from airflow.utils.process_utils import set_component_mp_start_method
set_component_mp_start_method("scheduler")
for code in sys.argv[1:]:
    child = multiprocessing.Process(target=exec, args=(code, {}))
    child.start()
    child.join()
    assert child.exitcode == 0
"""
INHERITED = """
import json, os, sys
modules = sorted(sys.modules)
from include.report.page.parts import parts
report = len(parts().library)
import psutil
server = psutil.Process(os.getppid())
from botocore.loaders import JSONFileLoader
load, decoded = JSONFileLoader.load_file, []
def noted(loader, path):
    found = load(loader, path)
    decoded.extend([path] if found else [])
    return found
JSONFileLoader.load_file = noted
from airflow.providers.amazon.aws.hooks.base_aws import SessionFactory
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
key = {"aws_access_key_id": "example", "aws_secret_access_key": "example", "region_name": "eu-central-1"}
for service in ("secretsmanager", "sts", "s3", "sqs"):
    connection = AwsConnectionWrapper.from_connection_metadata("any", extra=key)
    SessionFactory(connection).create_session().client(service)
print("FOUND " + json.dumps({
    "modules": modules,
    "threads": server.num_threads(),
    "connections": len(server.net_connections("inet")),
    "decoded": decoded,
    "report": report,
    "bundler": [each.name() for each in server.children() if each.pid != os.getpid()],
    "alone": psutil.Process().num_threads(),
}))
"""
EDIT = """
import json, sys
from pathlib import Path
from include.base import keys
assert "include.sense.drift" not in sys.modules and "include.extract.operator" in sys.modules
with Path(keys.__file__).open("a") as file:
    file.write("EDITED = True\\n")
"""
AFTER_EDIT = """
import json, sys
left = [name for name in sys.modules if name.startswith("include")]
from include.base import keys
print("FOUND " + json.dumps({"left": left, "edited": keys.EDITED}))
"""


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """Listens where AWS, the instance's credentials and the network are supposed; nobody is to come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def scheduler(home: Path, root: Path, *codes: str, **environment: str) -> tuple[dict[str, Any], str]:
    """Runs the codes in processes that are forked for them; what the last one found, and all that was said."""
    host = env_file.read(PROJECT_ROOT / "infra" / "host" / "airflow.env")
    run = subprocess.run(
        [sys.executable, "-c", SCHEDULER, *codes],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(root),
            **{name: host[name] for name in SETTINGS},
            **environment,
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout + run.stderr
    assert 0 == run.returncode, said[-3000:]
    [line] = [line for line in run.stdout.splitlines() if line.startswith("FOUND ")]
    return json.loads(line.removeprefix("FOUND ")), said


def test_a_task_inherits_imports_and_decoded_models(tmp_path: Path, nobody: socket.socket) -> None:
    """Nothing is decoded for a task's clients; the fork server asked nobody for anything and has one thread."""
    address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    found, said = scheduler(
        tmp_path,
        PROJECT_ROOT,
        INHERITED,
        AWS_ENDPOINT_URL=address,
        AWS_ENDPOINT_URL_STS=address,
        AWS_EC2_METADATA_SERVICE_ENDPOINT=address,
        AIRFLOW__SECRETS__BACKEND="airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        AIRFLOW__SECRETS__BACKEND_KWARGS=json.dumps({"region_name": REGION}),
    )
    assert "ahead" not in said
    assert [] == found["decoded"]
    wanted = {
        "airflow.dag_processing.dagbag",
        "airflow.providers.amazon.aws.hooks.redshift_sql",
        "include.extract.operator",
    }
    assert set() == wanted - set(found["modules"])
    assert [] == [name for name in ("pyarrow", "pandas", "altair") if name in found["modules"]]
    assert (1, 0) == (found["threads"], found["connections"])
    # What reports have alike is there as well: to make it would have started threads in the task.
    assert found["report"] > 500_000
    assert (1, []) == (found["alone"], found["bundler"])
    with pytest.raises(BlockingIOError):
        nobody.accept()


def test_changed_and_broken_files_are_left_to_the_tasks(tmp_path: Path) -> None:
    """A file that cannot be imported is named in the log and stops nothing; after a change a task imports anew."""
    shutil.copytree(PROJECT_ROOT / "include", tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "include" / "sense" / "drift.py").write_text("raise RuntimeError('broken on purpose')\n")
    found, said = scheduler(tmp_path, tmp_path, EDIT, AFTER_EDIT)
    assert "include.sense.drift cannot be imported ahead" in said
    assert "broken on purpose" in said
    assert {"left": [], "edited": True} == found


def test_sessions_with_a_key_or_a_role_share_one_loader(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An assumed role is who it is, its STS client included, and a second session decodes nothing."""
    from include.aws_sessions import SharedLoaderSessionFactory

    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = extraction.aws.client("iam").create_role(
        RoleName="sharing", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.setenv(name, extraction.aws.endpoint)
    key = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    decoded: list[str] = []

    def caller(**extra: str) -> str:
        connection = AwsConnectionWrapper.from_connection_metadata("any", extra={**key, **extra})
        session = SharedLoaderSessionFactory(connection).create_session()
        return str(session.client("sts").get_caller_identity()["Arn"])

    assert caller().endswith(":root")
    load = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda loader, path: decoded.append(path) or load(loader, path))
    assert ":assumed-role/sharing/" in caller(role_arn=role)
    assert [] == decoded
