"""What the stack decides before it starts anything: ports, paths, secrets, launchers, Airflow's settings."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path

import boto3
import botocore.config
import psycopg
import pytest
from rich.console import Console

from include.base.settings import Resources
from infra.aws.outputs import SETTINGS, OutputError
from local.stack.airflow_environment import airflow_environment, write_for_a_person
from local.stack.airflow_processes import airflow_programs
from local.stack.changes import changes
from local.stack.deployment import DEPLOYED as DEPLOYED_FILES
from local.stack.deployment import Deployment
from local.stack.exit_sentences import in_a_sentence
from local.stack.home import LONGEST_SOCKET_PATH, ROOT, Home, HomeError
from local.stack.ports import PortError, Ports, free_ports, holder_of, is_held, ports_from, require_free
from local.stack.preflight import require_known
from local.stack.services import services
from local.stack.stack import Stack, StackError, State
from local.stack.status import show_status, show_where_to_look
from local.stack.supervisor import Program, Supervisor, clean_environment, launcher

OUTPUTS = {output: f"the {output}" for output in SETTINGS.values()} | {"AirflowRoleArn": "the role"}
DEPLOYED = Deployment(OUTPUTS, "the key's id", "the key's secret")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a path that has room for a socket's name: a home below a longer one leaves another in /tmp."""
    with tempfile.TemporaryDirectory(prefix="listings-") as folder:
        yield Path(folder).resolve()


def test_ports_come_from_the_environment() -> None:
    """LISTINGS_PORT_<NAME> moves that one port and no other."""
    assert Ports(ui=18080) == ports_from({"LISTINGS_PORT_UI": "18080", "LISTINGS_HOME": "/elsewhere"})


@pytest.mark.parametrize("text", ["", "http", "-1", "0", "65536", "80 80"])
def test_what_is_no_port_is_refused_by_its_name(text: str) -> None:
    """A value that is no port number is refused, with the variable's name and what came."""
    with pytest.raises(PortError, match=f"LISTINGS_PORT_API='?{text}'?: expected a number from 1 to 65535"):
        ports_from({"LISTINGS_PORT_API": text})


def test_one_port_for_two_parts_is_refused() -> None:
    """Two parts on one port are refused, with both names."""
    with pytest.raises(PortError, match="LISTINGS_PORT_API and LISTINGS_PORT_UI are both 8080"):
        ports_from({"LISTINGS_PORT_API": "8080"})


def test_a_port_in_use_names_this_process() -> None:
    """The holder of a port is found by process id and command."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert os.getpid() == holder_of(port).pid
        with pytest.raises(PortError, match=rf"port {port} \(redshift\) is in use by process {os.getpid()} "):
            require_free(Ports(redshift=port))

    assert not is_held(port)


def test_a_port_of_another_stack_is_had_back_by_ending_that_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor would start the process again: the advice is to end the stack, in words that can be typed."""
    home = tmp_path / "another home"
    monkeypatch.setattr("local.stack.ports.home_of", lambda process: str(home))
    advice = rf"end that stack: LISTINGS_HOME='{home}' make down, or choose another"
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortError, match=advice):
        require_free(Ports(redshift=server.getsockname()[1]))


@pytest.mark.parametrize("holder", [False, True], ids=["free", "held"])
def test_a_port_that_only_root_may_open_is_said_to_be_one(holder: bool) -> None:
    """Without root's right a low port is refused for what it is, whether or not somebody has it."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    low = next(port for port in range(first - 1, 0, -1) if not is_held(port))
    ask = f"from local.stack.ports import *; require_free(Ports(*{astuple(replace(free_ports(), ui=low))}))"
    without = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    command = [*(without if os.geteuid() == 0 else []), sys.executable, "-c", ask]
    with contextlib.ExitStack() as held:
        if holder:
            if os.geteuid() != 0:
                pytest.skip("only root can hold such a port")
            held.enter_context(socket.create_server(("127.0.0.1", low)))
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr

    assert f"PortError: port {low} (ui) is one that only root may open (below 1024 on most systems)\n" in refused
    assert "    choose a higher one: LISTINGS_PORT_UI=8080\n" in refused
    assert "in use" not in refused


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("up", "LISTINGS_RETIRES", "LISTINGS_RETIRES is no setting. Did you mean LISTINGS_RETRIES?"),
        ("down", "LISTINGS_HOEM", "LISTINGS_HOEM is no setting. Did you mean LISTINGS_HOME?"),
        ("status", "LISTINGS_PRT_UI", "LISTINGS_PRT_UI is no setting. Did you mean LISTINGS_PORT_UI?"),
        ("up", "LISTINGS_QQQ", "LISTINGS_QQQ is no setting."),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_nearest(tmp_path: Path, command: str, name: str, words: str) -> None:
    """A LISTINGS_* name that nobody reads ends every command with 2 and the name that was meant, where one is near."""
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that no stack is started should this fail
        port = {"LISTINGS_PORT_API": str(taken.getsockname()[1])}
        environment = os.environ | {"LISTINGS_HOME": str(tmp_path / "home"), name: "1"} | port
        arguments = [sys.executable, "-m", "local.stack", command]
        ended = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (2, f"stack: {words}\n") == (ended.returncode, ended.stderr)
    assert not (tmp_path / "home").exists()


def test_what_a_stack_gives_its_own_processes_is_no_misspelt_setting(tmp_path: Path) -> None:
    """A shell that has read airflow.env may go on to use make: every LISTINGS_* name in it is known."""
    given = airflow_environment(Home(tmp_path), Ports(), DEPLOYED, {}) | {"LISTINGS_STACK": str(tmp_path)}
    require_known(given)


def test_what_differs_is_said_without_a_secret(tmp_path: Path) -> None:
    """Of a stack that is up each changed setting is told with both values, of what may be a secret the name alone."""
    home = Home(tmp_path)
    home.prepare()
    before = {"LISTINGS_RETRIES": "0", "LISTINGS_ALERT_TO": "it's@example.com\nx", "AIRFLOW_CONN_SMTP_LISTINGS": "old"}
    after = {"LISTINGS_RETRIES": "2", "LISTINGS_SENSE_TIMEOUT": "5", "AIRFLOW_CONN_SMTP_LISTINGS": "not-real"}
    api = Program("listing-api", "services", ["serve", "--recordings", "folder"], {})
    running = [Program(name, "airflow", ["run", name], before) for name in ("scheduler", "triggerer")]

    class Running(Supervisor):
        def running_launcher(self, program: Program) -> str | None:
            started = {each.name: launcher(each, home) for each in [*running, Program("listing-api", "", ["serve"])]}
            return started.get(program.name)

    wanted = [Program(each.name, "airflow", each.command, after) for each in running]
    told = changes(Running(home), home, [api, *wanted, Program("new", "services", ["new"])])

    assert [
        "listing-api starts again: its command is another",
        "Airflow starts again, which interrupts the tasks that it is at: AIRFLOW_CONN_SMTP_LISTINGS is another, "
        "LISTINGS_ALERT_TO is not set any more (was it's@example.com\nx), LISTINGS_RETRIES is 2 (was 0), "
        "LISTINGS_SENSE_TIMEOUT is 5 (was not set)",
    ] == told
    assert [] == changes(Running(home), home, running)


def test_a_long_home_gets_a_short_private_socket(tmp_path: Path) -> None:
    """A home whose path leaves no room for a socket's name gets one in a folder that only we may enter."""
    home = Home(tmp_path / ("long" * 30))
    home.prepare()
    folder = home.supervisor_socket.parent
    try:
        assert LONGEST_SOCKET_PATH >= len(os.fsencode(home.supervisor_socket))
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(home.supervisor_socket))
    finally:
        home.clear_run()
    assert not folder.exists()


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """A folder of that name which somebody else could have made is not used."""
    home = Home(tmp_path / ("wide" * 30))
    folder = home.supervisor_socket.parent
    folder.mkdir()
    folder.chmod(0o777)
    try:
        with pytest.raises(HomeError, match="is not ours alone"):
            home.prepare()
    finally:
        folder.rmdir()


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    """The secrets are the same the second time, differ from another home's, and only their owner reads the file."""
    first, other = Home(tmp_path / "one"), Home(tmp_path / "two")
    first.prepare()
    other.prepare()
    made = first.secrets()

    assert made == first.secrets()
    assert set() == set(made.values()) & set(other.secrets().values())
    assert 0o600 == stat.S_IMODE(first.secrets_file.stat().st_mode)


def test_a_secret_that_is_new_leaves_the_others_alone(tmp_path: Path) -> None:
    """A home of an earlier version gets what it lacks and keeps what its databases know."""
    home = Home(tmp_path)
    home.secrets_file.write_text(json.dumps({"loader": "as it was"}))

    assert "as it was" == home.secrets()["loader"]
    assert {"reader", "airflow", "fernet_key"} <= set(json.loads(home.secrets_file.read_text()))


def test_secrets_that_cannot_be_read_are_not_replaced(tmp_path: Path) -> None:
    """A spoilt secrets file is an error that names it: new passwords would fit no database."""
    home = Home(tmp_path)
    home.secrets_file.write_text("{")

    with pytest.raises(HomeError, match=r"secrets\.json is not JSON"):
        home.secrets()


def test_a_launcher_gives_exactly_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets what was meant for it and the mark, whatever characters it has, and nothing of the shell's."""
    monkeypatch.setenv("OF_THE_SHELL", "1")
    supervised = {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "program", "SUPERVISOR_GROUP_NAME": "services"}
    meant = {"JSON": '{"a": "it\'s 100%; $HOME"}', "LINES": "one\ntwo"}
    print_environment = ["/usr/bin/env", "-0"]
    script = tmp_path / "program.sh"
    script.write_text(launcher(Program("program", "services", print_environment, meant), Home(tmp_path)))
    environment = clean_environment(Home(tmp_path)) | supervised
    command = ["/bin/sh", str(script)]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = dict(entry.split("=", 1) for entry in printed.rstrip("\0").split("\0"))
    found.pop("_", None)  # some shells tell each program its own path

    assert meant | {"LISTINGS_STACK": str(tmp_path)} == found


def test_a_launcher_gives_no_value_to_a_command(tmp_path: Path) -> None:
    """Secrets are exported by the shell itself: the one command of a launcher is the program, with its arguments."""
    text = launcher(Program("program", "services", ["serve", "--port", "1"], {"PASSWORD": "not-real"}), Home(tmp_path))
    commands = [line.split(" ")[0] for line in text.splitlines() if line and not line.startswith("#")]

    assert {"unset", "export", "exec"} == set(commands)
    assert "exec serve --port 1" == text.splitlines()[-1]


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    """No argument of any program of the stack has a generated secret in it: everybody on the machine can read them."""
    home = Home(tmp_path)
    home.prepare()
    secrets = home.secrets().values()
    environment = airflow_environment(home, Ports(), DEPLOYED, {})
    programs = [*services(home, Ports(), None), *airflow_programs(Ports(), environment)]

    assert 8 == len(programs)
    assert [] == [each.name for each in programs if any(secret in " ".join(each.command) for secret in secrets)]


def test_supervisord_knows_each_program_once(tmp_path: Path) -> None:
    """The configuration has each program in its group, not started by itself, ended with all its children."""
    programs = [Program("one", "database", ["true"], stop_signal="INT"), Program("two", "airflow", ["true"])]
    found = configparser.RawConfigParser()
    found.read_string(Supervisor(Home(tmp_path)).configuration(programs))

    assert "one" == found["group:database"]["programs"]
    assert "two" == found["group:airflow"]["programs"]
    assert "INT" == found["program:one"]["stopsignal"]
    for name in ("one", "two"):
        section = found[f"program:{name}"]
        assert ["false", "true", "true", "true"] == [
            section[key] for key in ("autostart", "autorestart", "stopasgroup", "killasgroup")
        ]


def test_postgres_is_durable_unless_who_starts_the_stack_says_otherwise(tmp_path: Path) -> None:
    """Only a stack that was made with durable=False runs a PostgreSQL that does not wait for the disk."""
    home = Home(tmp_path)
    home.prepare()
    State(Ports(), DEPLOYED, "").write(home.state_file)
    usual, careless = Stack(tmp_path, settings={}), Stack(tmp_path, settings={}, durable=False)

    assert "--not-durable" not in usual.programs()[0].command
    assert "--not-durable" in careless.programs()[0].command


def test_airflow_gets_the_outputs_and_the_callers_settings(tmp_path: Path) -> None:
    """Airflow gets what was deployed, the caller's settings and mail server, and nothing else of theirs."""
    theirs = {"LISTINGS_HOME": "/other", "LISTINGS_PORT_UI": "1", "AWS_PROFILE": "mine", "AIRFLOW_CONN_OTHER": "x://"}
    ours = {"LISTINGS_RETRIES": "2", "AIRFLOW_CONN_SMTP_LISTINGS": "smtp://127.0.0.1:2525"}
    found = airflow_environment(Home(tmp_path), Ports(), DEPLOYED, {**theirs, **ours})

    assert "the LandingBucketName" == found["LISTINGS_LANDING_BUCKET"]
    assert "the key's id" == found["AWS_ACCESS_KEY_ID"]
    assert "2" == found["LISTINGS_RETRIES"]
    assert "smtp://127.0.0.1:2525" == found["AIRFLOW_CONN_SMTP_LISTINGS"]
    assert set() == set(theirs) & set(found)
    assert "the role" == json.loads(found["AIRFLOW__SECRETS__BACKEND_KWARGS"])["role_arn"]


def test_settings_for_airflow_go_before_the_stacks_own(tmp_path: Path) -> None:
    """Who starts a stack in code can give Airflow other settings than those that the stack makes."""
    home, name = Home(tmp_path), "AIRFLOW__CORE__PARALLELISM"
    home.prepare()
    State(Ports(), DEPLOYED, "").write(home.state_file)

    assert "8" == Stack(tmp_path, settings={}).env()[name]
    assert "3" == Stack(tmp_path, settings={}, airflow_settings={name: "3"}).env()[name]


def test_the_environment_for_a_person_can_be_sourced(tmp_path: Path) -> None:
    """What is written for a shell reads back as it was."""
    found = airflow_environment(Home(tmp_path), Ports(), DEPLOYED, {"LISTINGS_NOTIFY_EMAIL": "a b'c\"d"})
    write_for_a_person(Home(tmp_path), found)
    shell = f'. {tmp_path}/airflow.env; printf %s "$LISTINGS_NOTIFY_EMAIL"'

    assert "a b'c\"d" == subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True).stdout


def test_the_line_for_airflows_commands_is_one_in_any_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is shown as Airflow's CLI can be pasted into a shell, with a blank and a quote in the home's path."""
    home, text = Home(tmp_path / "a person's home"), io.StringIO()
    home.prepare()
    tools = home.path / "tools"
    tools.mkdir()
    (tools / "airflow").write_text('#!/bin/sh\necho "airflow $*"\n')
    (tools / "airflow").chmod(0o755)
    write_for_a_person(home, {"PATH": f"{tools}:/usr/bin:/bin"})
    show_where_to_look(Stack(home.path), Console(file=text))
    [command] = [
        line.removeprefix("Airflow's CLI").strip() for line in text.getvalue().splitlines() if "Airflow's CLI" in line
    ]

    assert 0 == subprocess.run(["/bin/sh", "-c", command], check=False).returncode
    assert "airflow dags list\n" == capfd.readouterr().out


def test_airflow_gets_every_resource_that_its_code_reads() -> None:
    """The outputs handed to Airflow are exactly the resources that the pipeline's settings name, and no other."""
    assert {f"LISTINGS_{field.name.upper()}" for field in fields(Resources)} == set(SETTINGS)


def test_a_deploy_follows_every_module_that_the_build_reads() -> None:
    """Each file of include that the build of the functions imports is among those that a change of deploys again."""
    files = "(module.__file__ for name, module in sys.modules.items() if name.startswith('include.'))"
    ask = f"import sys, infra.package.build; print(*{files})"
    read = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    followed = {str(path) for pattern in DEPLOYED_FILES for path in ROOT.glob(pattern)}

    assert "" != read
    assert set() == set(read.split()) - followed


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("LISTINGS_API_SLOTS", "x", "LISTINGS_API_SLOTS='x': expected a value like 2"),
        ("LISTINGS_API_SLOTS", "0", "LISTINGS_API_SLOTS='0': expected more than zero"),
        ("LISTINGS_START_DATE", "soon", "LISTINGS_START_DATE='soon': expected a value like"),
    ],
)
def test_a_setting_that_cannot_be_read_starts_nothing(
    tmp_path: Path, name: str, text: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """`up` with a malformed setting exits with 2 and one line in the pipeline's own words, and makes no home."""
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that no stack is started should this fail
        port = {"LISTINGS_PORT_API": str(taken.getsockname()[1])}
        environment = os.environ | {"LISTINGS_HOME": str(tmp_path / "home"), name: text} | port
        ended = subprocess.run([sys.executable, "-m", "local.stack", "up"], cwd=ROOT, env=environment, check=False)
    said = capfd.readouterr().err

    assert 2 == ended.returncode, said
    assert said.startswith(f"stack: {words}")
    assert 1 == said.count("\n")
    assert not (tmp_path / "home").exists()


def _ask_nobody() -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{free_ports().ui}"):
        return 0


def _query_nobody() -> int:
    psycopg.connect(f"host=127.0.0.1 port={free_ports().postgres} connect_timeout=2").close()
    return 0


def _deploy_to_nobody() -> int:
    endpoint = f"http://127.0.0.1:{free_ports().ministack}"
    no_retries = botocore.config.Config(retries={"total_max_attempts": 1})
    key = {"aws_access_key_id": "example", "aws_secret_access_key": "not-real", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, config=no_retries, **key).list_buckets()
    return 0


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (_ask_nobody, "a part of the stack does not answer: .*Connection refused"),
        (_query_nobody, "a database does not answer: "),
        (_deploy_to_nobody, "Could not connect to the endpoint URL"),
    ],
)
def test_a_part_that_is_gone_is_a_sentence(work: Callable[[], int], words: str) -> None:
    """A command that meets a part which does not answer ends with its exit code for failure, and says which it is."""
    said: list[str] = []

    assert 7 == in_a_sentence(work, said.append, failed=7)
    assert re.search(words, said[0])


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    """What nobody can cause from outside is raised as it is."""
    with pytest.raises(ZeroDivisionError):
        in_a_sentence(lambda: 1 // 0, print)


def test_a_missing_output_is_named() -> None:
    """A template without an output that Airflow needs is an error that names the output."""
    outputs = {name: value for name, value in OUTPUTS.items() if name != "RawBucketName"}

    with pytest.raises(OutputError, match="no output RawBucketName"):
        Deployment(outputs, "", "").settings()


def test_recordings_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """A folder of recordings that does not exist is refused before anything is started."""
    with pytest.raises(StackError, match="there is no such folder"):
        Stack(home=tmp_path, recordings=tmp_path / "nowhere")


def test_asking_a_stack_that_is_not_up_says_so(tmp_path: Path) -> None:
    """Its environment cannot be had before `up`; the error says which command starts it."""
    with pytest.raises(StackError, match="start one with `make up`"):
        Stack(home=tmp_path).env()


def test_a_stack_that_is_up_is_asked_on_its_own_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ports the shell names, a running stack is found where it is, and `up` there is refused."""
    home, running = Home.at(tmp_path), free_ports()
    home.prepare()
    State(running, DEPLOYED, "").write(home.state_file)
    stack = Stack(home.path, settings={"LISTINGS_PORT_UI": "18080"}, say=lambda line: None)

    assert replace(running, ui=18080) == stack.ports
    monkeypatch.setattr(Supervisor, "is_alive", lambda supervisor: True)
    assert running == stack.ports
    with pytest.raises(StackError, match=rf"is up on other ports \(ui {running.ui} instead of 18080\)"):
        stack._clear_the_way()


def test_ending_a_stack_that_never_was_says_so(tmp_path: Path) -> None:
    """`make down` of a folder without a stack ends with 0, says that none was there, and makes nothing."""
    environment = os.environ | {"LISTINGS_HOME": str(tmp_path)}
    arguments = [sys.executable, "-m", "local.stack", "down"]
    ended = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (0, f"no stack has ever been in {tmp_path}\n") == (ended.returncode, ended.stdout)
    assert [] == list(tmp_path.iterdir())


def test_a_stack_that_a_command_is_at_work_on_is_not_called_broken(tmp_path: Path) -> None:
    """While `up` or `down` holds the home, status says to wait; without either there is no stack."""
    home = Home.at(tmp_path)
    stack = Stack(home.path, free_ports(), settings={}, say=lambda line: None)

    def said() -> str:
        text = io.StringIO()
        assert not show_status(stack, Console(file=text, width=500))
        return text.getvalue()

    with stack._alone():
        assert f"Another command is starting or stopping the stack in {home.path}: wait" in said()
    assert "Start one with: make up" in said()
