"""The doctor finds what is wrong around the stack: clock, credentials, network, DAG files, Airflow, or no stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.doctor.clients import local_clients
from infra.doctor.finding import Finding, State
from infra.doctor.registry import CHECKS
from infra.doctor.target import ROOT, Target, local_target
from local.stack import free_ports
from tests.support.ministack import LAMBDA_PYTHON, free_port
from tests.support.patient import DAGS, HEALTHY, Patient, assert_said, findings, skipped, to_mend, with_

# Neither quotas of the service nor a key before the deploy: those have tests of their own.
ASKED = [check for check in CHECKS if check.name not in ("network room", "api key", "api quota")]
LOCAL_CHECKS = [check.name for check in CHECKS if check.only != "aws"]


# The command with DAG files that are well: to have Airflow parse them takes longer than all the rest.
DOCTOR_OF_WELL_DAGS = """
import sys
from infra.doctor import __main__, dag_files
dag_files._parse = lambda target: dag_files.Parsed(dag_files.DAG_IDS, {}, None)
sys.exit(__main__.main())
"""


def doctor(*arguments: object, parse: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m infra.doctor` in the environment that it runs in; `parse`: with Airflow's word on the DAG files."""
    command = ["-m", "infra.doctor"] if parse else ["-c", DOCTOR_OF_WELL_DAGS]
    return subprocess.run(
        [str(LAMBDA_PYTHON), *command, *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _free_ports() -> dict[str, str]:
    """Settings with which a stack could start, whatever runs beside the test."""
    return {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in free_ports().items()}


# ---------------------------------------------------------------- clock
@pytest.mark.parametrize(
    ("off", "words"),
    [
        (timedelta(minutes=2), "this machine is 2 min .* ahead of AWS$"),
        (timedelta(minutes=-2), "this machine is 1 min 59 s|2 min 0 s behind AWS"),
        (timedelta(minutes=-10), "behind AWS, and every signature is refused"),
        (timedelta(hours=3), "this machine is 3 h 0 min ahead of AWS, and every signature is refused"),
    ],
)
def test_a_wrong_clock_is_named(patient: Patient, off: timedelta, words: str) -> None:
    """A clock that is over a minute from AWS's is to be mended, with how far it is off and which way."""
    found = findings(with_(patient.target(), now=lambda: datetime.now(UTC) + off))
    assert ["clock"] == to_mend(found)
    assert_said(words, found["clock"].found)


def test_half_a_minute_is_no_matter(patient: Patient) -> None:
    """A clock that is off by less than a minute is well."""
    found = findings(with_(patient.target(), now=lambda: datetime.now(UTC) - timedelta(seconds=30)))
    assert [] == to_mend(found)


# ---------------------------------------------------------------- network and credentials
def test_a_stand_in_that_does_not_answer_is_one_thing_to_mend(patient: Patient, tmp_path: Path) -> None:
    """With MiniStack away one line says so, with its address; all that needs it is left out."""
    ports = json.loads((patient.home / "run" / "state.json").read_text())["ports"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(json.dumps({"ports": {**ports, "ministack": (away := free_port())}}))
    (tmp_path / "secrets.json").write_text('{"loader": "not-real"}')

    found = findings(local_target(tmp_path))

    assert ["account"] == to_mend(found)
    assert f"nothing answers at http://127.0.0.1:{away}" == found["account"].found
    assert set(LOCAL_CHECKS) - {"machine", "account", "dags"} == set(skipped(found))


def test_credentials_that_aws_does_not_know_are_one_thing_to_mend(patient: Patient) -> None:
    """With a key that does not exist the account is to be mended; the clock is looked at all the same."""
    wrong = with_(
        patient.target(),
        clients=lambda service: patient.warehouse.ministack.client(service, "AKIAEXAMPLENOTREAL00", "example"),
    )
    found = findings(wrong)
    assert ["account"] == to_mend(found)
    assert_said(r"does not know these credentials \(InvalidClientTokenId\)", found["account"].found)
    assert State.OK is found["clock"].state


def test_what_the_caller_may_not_do_is_named_by_its_action(patient: Patient) -> None:
    """A caller who may only look at the stack hears of each check which action is missing; no check breaks."""
    iam = patient.root("iam")
    iam.create_user(UserName="looker")
    key = iam.create_access_key(UserName="looker")["AccessKey"]
    policy = {"Statement": [{"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}]}
    iam.put_user_policy(UserName="looker", PolicyName="look", PolicyDocument=json.dumps(policy))
    looker = with_(
        patient.target(),
        clients=lambda service: patient.warehouse.ministack.client(service, key["AccessKeyId"], key["SecretAccessKey"]),
    )
    found = findings(looker)

    assert "000000000000 as arn:aws:iam::000000000000:user/looker" in found["account"].found
    assert "may not: sqs:GetQueueAttributes" == found["dead letters"].found
    assert "may not: secretsmanager:GetSecretValue" == found["connections"].found
    assert "may not: secretsmanager:GetSecretValue" == found["warehouse"].found
    assert "allow secretsmanager:GetSecretValue to arn:aws:iam::000000000000:user/looker" in found["warehouse"].remedy
    assert_said("no way in: .*landing.*raw.*clean.*code", found["buckets"].found)
    assert {"buckets", "dead letters", "connections", "warehouse", "api key"} <= set(to_mend(found))


# ---------------------------------------------------------------- nothing deployed
def test_before_make_up_there_is_one_thing_to_do(tmp_path: Path) -> None:
    """Without a stack the stack's line says `make up`, what can be asked is well, and the rest is in one line."""
    done = doctor("--home", tmp_path, **_free_ports())
    assert 1 == done.returncode, done.stderr
    said = " ".join(done.stdout.split())
    assert f"mend stack not deployed: no stack is up in {tmp_path} → make up" in said
    assert 1 == done.stdout.count("mend  ")
    assert_said(
        r"skip not asked clock, lambda room, .*airflow, consumers: needs stack Nothing else is in the way: make up$",
        said,
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"LISTINGS_RETIRES": "1"}, "mend machine LISTINGS_RETIRES is no setting. Did you mean LISTINGS_RETRIES?"),
        ({"LISTINGS_PORT_UI": "taken"}, "mend machine port .* (ui) is in use by process"),
    ],
)
def test_what_make_up_would_refuse_is_in_the_way(tmp_path: Path, wrong: dict[str, str], words: str) -> None:
    """What keeps `make up` from starting is a line of its own, and then the doctor does not call the way free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = {name: value.replace("taken", str(taken.getsockname()[1])) for name, value in wrong.items()}
        done = doctor("--home", tmp_path, **(_free_ports() | wrong))
    said = " ".join(done.stdout.split())
    assert_said(re.escape(words).replace(r"\.\*", ".*"), said)
    assert "Nothing else is in the way" not in said
    assert_said("2 to mend, ", said)


def test_before_a_deploy_there_is_one_thing_to_do(patient: Patient, tmp_path: Path) -> None:
    """On AWS without a stack, the account and the DAG files are well, the stack's line says `make deploy STAGE=…`."""
    found = findings(_stage(patient, "eu-west-1"), checks=ASKED)
    assert ["stack"] == to_mend(found)
    assert "not deployed: no stack listings-dev in eu-west-1" == found["stack"].found
    assert "make deploy STAGE=dev REGION=eu-west-1" == found["stack"].remedy
    assert {"needs stack"} == set(skipped(found).values())
    assert {"clock", "account", "permissions", "lambda room", "zones", "dags"} == set(found) - set(skipped(found)) - {
        "stack"
    }


def test_a_stage_in_another_region_is_found(patient: Patient) -> None:
    """With its code bucket in another region, the stack's line names that region and how to look there."""
    s3, bucket = patient.root("s3"), "listings-dev-code-000000000000"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    try:
        found = findings(_stage(patient, "eu-west-1"), checks=ASKED)
    finally:
        s3.delete_bucket(Bucket=bucket)
    assert ["stack"] == to_mend(found)
    assert "no stack listings-dev in eu-west-1; it was deployed to ap-south-1" == found["stack"].found
    assert "make doctor STAGE=dev REGION=ap-south-1" == found["stack"].remedy


def _stage(patient: Patient, region: str) -> Target:
    """A stage on AWS that the stand-in plays; what it cannot answer is asked of a Stubber elsewhere."""
    return Target(stage="dev", region=region, clients=local_clients(patient.warehouse.ministack.endpoint))


# ---------------------------------------------------------------- DAG files
@pytest.mark.parametrize(
    ("file", "text", "words", "remedy"),
    [
        (
            "sense_listings.py",
            "def broken(:\n",
            r"does not import: dags/sense_listings.py: SyntaxError",
            "mend dags/sense_listings.py",
        ),
        (
            "load_listings.py",
            "import no_such_module\n",
            r"does not import: dags/load_listings.py: ModuleNotFoundError: No module named 'no_such_module'",
            "mend dags/load_listings.py",
        ),
        ("report_listings.py", "", r"no DAG report_listings in ", "git status dags"),
    ],
    ids=["syntax", "import", "absent"],
)
def test_a_dag_file_that_is_broken_is_named(
    patient: Patient, tmp_path: Path, file: str, text: str, words: str, remedy: str
) -> None:
    """A DAG file that does not parse is named with the last line of its error; a DAG that is not there by its id."""
    dags = shutil.copytree(ROOT / "dags", tmp_path / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    (dags / file).write_text(text)
    found = findings(with_(patient.target(), dags=dags), parse=True)
    assert ["dags"] == to_mend(found)
    assert_said(words, found["dags"].found)
    assert remedy in found["dags"].remedy
    assert {} == skipped(found)


def test_a_missing_environment_is_set_up(patient: Patient, tmp_path: Path) -> None:
    """Without Airflow's environment the DAGs' line says `make setup`."""
    (tmp_path / "infra").mkdir()
    shutil.copy(ROOT / "infra" / "template.yaml", tmp_path / "infra")
    found = findings(with_(patient.target(), root=tmp_path, dags=tmp_path), parse=True)
    assert ("make setup", State.MEND) == (found["dags"].remedy, found["dags"].state)
    assert_said("Airflow's environment is not there", found["dags"].found)


# ---------------------------------------------------------------- Airflow
def test_a_part_of_airflow_that_is_ill_is_named(patient: Patient) -> None:
    """A scheduler and a triggerer that do not report are named, and nothing else is."""
    ill = {"status": "unhealthy"}
    patient.airflow.health = {**HEALTHY, "scheduler": ill, "triggerer": ill}
    try:
        found = findings(patient.target())
    finally:
        patient.airflow.health = dict(HEALTHY)
    assert ["airflow"] == to_mend(found)
    assert_said("not healthy at http://127.0.0.1:.*: scheduler, triggerer$", found["airflow"].found)


def test_an_airflow_without_a_triggerer_is_well(patient: Patient) -> None:
    """Where no triggerer ever ran, Airflow says null of it, and nothing is missed; one that stopped is unhealthy."""
    patient.airflow.health = {**HEALTHY, "triggerer": {"status": None}}
    try:
        found = findings(patient.target())
    finally:
        patient.airflow.health = dict(HEALTHY)
    assert [] == to_mend(found)
    assert_said("^scheduler, dag_processor are healthy at ", found["airflow"].found)


def test_something_else_on_airflows_port_is_named(patient: Patient) -> None:
    """An answer that is not Airflow's health is no health."""
    patient.airflow.health = {"hello": "world"}
    try:
        found = findings(patient.target())
    finally:
        patient.airflow.health = dict(HEALTHY)
    assert ["airflow"] == to_mend(found)
    assert_said("answers 200, but not as Airflow does", found["airflow"].found)


def test_an_airflow_that_does_not_answer_is_named(patient: Patient) -> None:
    """With nobody on Airflow's port its line says so."""
    ports = {**patient.target().ports, "ui": free_port()}
    found = findings(with_(patient.target(), ports=ports))
    assert ["airflow"] == to_mend(found)
    assert_said("http://127.0.0.1:.* does not answer: .*refused", found["airflow"].found)


# ---------------------------------------------------------------- DAGs and pool
def test_consumers_that_are_paused_are_named(patient: Patient) -> None:
    """Nothing that is extracted would go on: each is named, and where it is unpaused."""
    paused = {name: name in ("sense_listings", "load_listings") for name in DAGS}
    with patient.airflow.changed(paused=paused):
        found = findings(patient.target())
    assert ["consumers"] == to_mend(found)
    assert "paused: sense_listings, load_listings" == found["consumers"].found
    assert_said(
        "^unpause in the UI, http://127.0.0.1:.*/dags: sense_listings, load_listings$", found["consumers"].remedy
    )


def test_a_paused_extraction_is_said_and_no_fault(patient: Patient) -> None:
    """It is paused from the beginning, since its runs cost requests."""
    with patient.airflow.changed(paused={name: name == "extract_listings" for name in DAGS}):
        found = findings(patient.target())
    assert [] == to_mend(found)
    assert_said("; extract_listings is paused: nothing is asked daily", found["consumers"].found)
    assert "extract_listings" not in findings(patient.target())["consumers"].found


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ({"zillow_api": 0}, "^pool zillow_api has no slots: no page is ever asked$"),
        ({"default_pool": 128}, "^there is no pool zillow_api"),
    ],
)
def test_a_pool_that_lets_nobody_ask_is_named(patient: Patient, pools: dict[str, int], words: str) -> None:
    """Without slots every task of the extraction would wait for ever."""
    with patient.airflow.changed(pools=pools):
        found = findings(patient.target())
    assert ["consumers"] == to_mend(found)
    assert_said(words, found["consumers"].found)
    assert_said("/pools: (give|add) zillow_api .*a slot for each page", found["consumers"].remedy)


def test_paused_dags_and_the_pool_are_named_together(patient: Patient) -> None:
    """Of two faults both are said."""
    with patient.airflow.changed(pools={}, paused=dict.fromkeys(DAGS, True)):
        found = findings(patient.target())["consumers"].found
    assert_said("^paused: sense_.*, reconcile_listings; there is no pool zillow_api", found)


def test_a_dag_that_airflow_does_not_have_is_named(patient: Patient) -> None:
    """A DAG that Airflow could not read is on no list."""
    there = {name: False for name in DAGS if name != "load_listings"}
    with patient.airflow.changed(paused=there):
        found = findings(patient.target())
    assert ["consumers"] == to_mend(found)
    assert "Airflow has no load_listings" == found["consumers"].found


def test_a_password_that_airflow_does_not_take_is_named(patient: Patient) -> None:
    """The home's password is Airflow's only after a start."""
    with patient.airflow.changed(password="another-example"):
        found = findings(patient.target())
    assert ["consumers"] == to_mend(found)
    assert_said("Airflow refuses admin with the password in .*/secrets.json", found["consumers"].found)


def test_without_a_password_nothing_is_claimed(patient: Patient) -> None:
    """A home without the UI's password cannot ask, and says so."""
    file = patient.home / "secrets.json"
    before = file.read_text()
    file.write_text("{}")
    try:
        found = findings(patient.target())
    finally:
        file.write_text(before)
    assert {"consumers"} == set(skipped(found))
    assert_said("no ui_password in ", found["consumers"].found)


# ---------------------------------------------------------------- the command
def test_the_command_spends_no_request_where_told_so(patient: Patient) -> None:
    """With --no-api the key is not tried and that is said; all else is asked."""
    before = patient.requests()
    done = doctor("--home", patient.home, "--no-api")
    said = " ".join(done.stdout.split())
    assert (0, "") == (done.returncode, done.stderr)
    assert before == patient.requests()
    assert "skip api key not tried, as --no-api says; there is a key in airflow/connections/zillow_api" in said
    assert f"All is well: {len(LOCAL_CHECKS) - 2} checks, 2 not asked" == done.stdout.splitlines()[-1]


def test_the_command_says_what_it_spends() -> None:
    """The help says of the one request, and the line of the key says that it was made."""
    assert "One request is made of the listing API" in " ".join(doctor("--help").stdout.split())


def test_the_command_ends_well_only_when_all_is_well(patient: Patient) -> None:
    """Exit code 0 for a healthy stack, plain text without colours in a pipe, and whatever the shell has for others."""
    hostile = {"AWS_PROFILE": "absent", "PGSERVICE": "absent"}
    hostile |= dict.fromkeys(("HTTP_PROXY", "AWS_ENDPOINT_URL"), "http://127.0.0.1:1")
    done = doctor("--home", patient.home, parse=True, **hostile)
    assert (0, "") == (done.returncode, done.stderr)
    assert f"All is well: {len(LOCAL_CHECKS)} checks" == done.stdout.splitlines()[-1]
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_the_command_tells_a_program_the_same(patient: Patient) -> None:
    """With --json every finding is an object with check, state, found and remedy; the exit code is 1 with a mend."""
    with patient.connection("zillow_com1_api", host=None):
        done = doctor("--json", LISTINGS_HOME=str(patient.home))
    told = json.loads(done.stdout)
    assert (1, "local") == (done.returncode, told["stage"])
    assert LOCAL_CHECKS == [each["check"] for each in told["findings"]]
    [to_do] = [Finding(**each) for each in told["findings"] if each["state"] == "mend"]
    assert ("connections", "make down; make up") == (to_do.check, to_do.remedy)


def test_a_stage_is_looked_at_as_aws(patient: Patient) -> None:
    """With --stage the caller's own credentials and region are used; what AWS itself is, the stand-in plays."""
    aws = {"AWS_ENDPOINT_URL": patient.warehouse.ministack.endpoint}
    done = doctor(
        "--stage", "dev", "--region", "eu-west-1", **aws, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test"
    )
    said = " ".join(done.stdout.split())
    assert 1 == done.returncode
    assert "ok account 000000000000 as arn:aws:iam::000000000000:root " in said
    assert "no stack listings-dev in eu-west-1 → make deploy STAGE=dev REGION=eu-west-1" in said


def test_no_credentials_are_one_thing_to_mend(patient: Patient) -> None:
    """Without credentials the account's line says how to have some, the clock is looked at, the rest is left out."""
    aws = {"AWS_ENDPOINT_URL": patient.warehouse.ministack.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
    done = doctor("--stage", "dev", "--json", **aws)
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert ["account"] == [name for name, each in found.items() if each["state"] == "mend"]
    assert "no credentials for AWS: Unable to locate credentials" == found["account"]["found"]
    assert {"clock", "dags"} == {name for name, each in found.items() if each["state"] == "ok"}


def test_a_home_goes_with_no_stage() -> None:
    """A stage on AWS has no home: exit code 2, before anything is asked."""
    done = doctor("--stage", "dev", "--home", "/tmp")
    assert (2, "") == (done.returncode, done.stdout)


def test_a_check_that_breaks_is_a_finding(patient: Patient) -> None:
    """An error that nobody thought of turns one line, and the others are heard."""

    def clients(service: str) -> object:
        if service == "sqs":
            raise RuntimeError("out of order")
        return patient.root(service)

    found = findings(with_(patient.target(), clients=clients))
    assert ["copy queue", "transform queue", "dead letters"] == to_mend(found)
    assert "the doctor itself failed: RuntimeError: out of order" == found["dead letters"].found
