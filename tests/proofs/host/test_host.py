"""The host as a release makes it: installed for real by its own installer, its units run with exactly what they say.

systemd itself is stood in for (`units.py`); the accounts, PostgreSQL, TLS, Airflow and its tasks are real.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

import psutil
import pytest

from infra.host import env_file
from infra.host.health import METRIC, NAMESPACE, ill
from infra.host.own_secrets import UI_USER
from infra.host.services import AIRFLOW
from infra.package.release import Release, build_release
from tests.proofs.host.installed import LOG_BUCKET, Installed, installed_host
from tests.proofs.host.trial import unpack
from tests.support.dag_ids import DAG_IDS

# One host serves the whole file: the first test waits for its installation.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The host, installed once."""
    yield from installed_host(tmp_path_factory.mktemp("host"))


def test_a_first_installation_comes_up_healthy(installed: Installed) -> None:
    """Scheduler and DAG processor report, over TLS with the certificate of the host; nobody runs a triggerer."""
    health = installed.health()
    assert {} == ill(health)
    assert health["triggerer"]["status"] is None


def test_every_dag_of_the_release_was_read(installed: Installed) -> None:
    """All seven, none with an import error, and those that spend or schedule are paused as they were written."""
    found = {dag["dag_id"]: dag for dag in installed.call("/api/v2/dags?exclude_stale=true")["dags"]}
    assert sorted(DAG_IDS) == sorted(found)
    assert 0 == installed.call("/api/v2/importErrors")["total_entries"]
    assert found["extract_listings"]["is_paused"]


def test_the_links_begin_with_the_address_that_the_stack_says(installed: Installed) -> None:
    """What Airflow makes of all that the scheduler's unit names: a task's mail names its log by it."""
    url = env_file.read(installed.layout.settings)["LISTINGS_UI_URL"]
    unit = installed.host.units.unit(AIRFLOW[-1])
    code = "from airflow.configuration import conf; print(conf.get('api', 'base_url'))"
    python = str(installed.layout.current / ".venv" / "airflow" / "bin" / "python")
    environment = installed.host.units.environment(unit)
    done = subprocess.run([python, "-c", code], env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert url == done.stdout.split()[-1]


def test_the_pool_of_the_api_has_its_slots(installed: Installed) -> None:
    """As many as the settings say."""
    pools = {pool["name"]: pool["slots"] for pool in installed.call("/api/v2/pools")["pools"]}
    assert 2 == pools["zillow_api"]


def test_nobody_gets_in_but_with_the_generated_password(installed: Installed) -> None:
    """A guess is refused, the password in the file is taken."""
    with pytest.raises(HTTPError, match="401"):
        installed.log_in("admin")
    assert installed.log_in(json.loads(installed.layout.passwords.read_text())[UI_USER])


def test_the_listings_page_answers_behind_the_login(installed: Installed) -> None:
    """Airflow's page with its frame, the application in the frame, and its data for who has logged in."""
    for path in ("/plugin/listings", "/listings/"):
        with urllib.request.urlopen(f"{installed.url}{path}", timeout=30, context=installed.trust) as answer:
            assert 200 == answer.status
            assert ("/auth/login" in urlsplit(answer.url).path) == (path == "/listings/")
    with pytest.raises(HTTPError, match="401"):
        urllib.request.urlopen(f"{installed.url}/listings/api/progress", timeout=30, context=installed.trust)
    assert isinstance(installed.call("/listings/api/progress"), dict)


def test_a_task_runs_and_its_log_is_in_the_bucket_alone(installed: Installed) -> None:
    """It reports over TLS; the log is read in the UI from S3, and nothing of it stays on the host."""
    run_id = installed.redrive()
    # A task's log goes there after the task, or the run, has ended.
    _wait(lambda: not list((installed.layout.state / "logs").glob("dag_id=redrive_listings/**/*.log")), "logs are gone")
    s3 = installed.ministack.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=LOG_BUCKET).get("Contents", [])]
    mine = [key for key in keys if "task_id=move_back" in key]
    assert 2 == len(mine), keys
    assert all(key.startswith("task-logs/dag_id=redrive_listings/") for key in mine)
    instance = f"/api/v2/dags/redrive_listings/dagRuns/{quote(run_id)}/taskInstances/move_back"
    lines = installed.call(f"{instance}/logs/1?map_index=0")["content"]
    assert any(f"s3://{LOG_BUCKET}/task-logs/" in str(line) for line in lines)


def test_nothing_listens_but_the_page_and_that_where_it_was_told(installed: Installed) -> None:
    """Of all processes of the units, one socket listens: the api-server's on the chosen address and port."""
    found = set()
    for unit in AIRFLOW:
        for process in installed.host.units.processes(unit):
            found |= {
                (each.laddr.ip, each.laddr.port)
                for each in process.net_connections("inet")
                if each.status == psutil.CONN_LISTEN
            }
    assert {("127.0.0.1", int(installed.port))} == found


def test_airflow_is_not_root_and_owns_nothing_that_it_runs(installed: Installed) -> None:
    """Every process is the account's, which can neither change the release nor read the file of secrets."""
    if os.geteuid() != 0 or installed.host.who.user == "root":
        pytest.skip("needs root, and a Python that another account may run")
    user = installed.host.who.user
    for unit in AIRFLOW:
        assert {user} == {process.username() for process in installed.host.units.processes(unit)}
    release = installed.layout.releases / installed.release.name
    for path in (release, release / "dags", release / ".venv" / "airflow" / "bin" / "airflow"):
        assert (0, 0) == (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode) & 0o022)
    for path in (installed.layout.secrets, release / "dags" / "new.py"):
        done = subprocess.run(["sh", "-c", f"cat {path} || touch {path}"], user=user, cwd="/", capture_output=True)
        assert 0 != done.returncode


def test_secrets_are_readable_by_their_owner_only(installed: Installed) -> None:
    """And stand in no file that anybody may read, nor in what the installer said."""
    layout = installed.layout
    for path in (layout.secrets, layout.passwords, layout.certificate_key):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode), path
    values = [value for value in env_file.read(layout.secrets).values() if value]
    open_to_all = [path.read_text() for path in (layout.host_env, layout.settings, *layout.units.rglob("*.service"))]
    for value in values:
        assert not any(value in text for text in [installed.said, *open_to_all])


def test_health_restarts_what_was_killed_and_tells_cloudwatch(installed: Installed) -> None:
    """The check itself, run as its unit says: 1 while all is well; a dead api-server gives 0 and comes back."""
    assert "" == _look(installed)
    pid = installed.host.units.pid(AIRFLOW[0])
    assert pid
    os.kill(pid, 9)
    said = _look(installed)
    assert re.search(r"airflow-api-server.service: it does not answer: .*; restarted \(it was inactive\)", said), said
    assert [0.0, 1.0] == _metric(installed)
    _wait(lambda: _answers(installed), "the api-server answers again")


def test_a_disk_that_is_nearly_full_is_told_in_time(installed: Installed) -> None:
    """Nothing is restarted for it; the metric is 0 while Airflow still works. The host's own file moves the limit."""
    with _local(installed, "LISTINGS_DISK_PERCENT=0.0"):
        assert re.fullmatch(r"disk: \d+\.\d % is used, more than 0 %; .* GiB left\n", _look(installed))
    assert [0.0, 1.0] == _metric(installed)


def test_old_history_goes_and_the_rest_stays(installed: Installed) -> None:
    """listings-clean.service, as its account: a run of 101 days ago goes with all its rows, one of 99 days stays.

    So do the DAGs, paused or not, and the page's data.
    """
    old, kept = installed.redrive(), installed.redrive()
    dags = "/api/v2/dags?exclude_stale=true"
    paused = {dag["dag_id"]: dag["is_paused"] for dag in installed.call(dags)["dags"]}
    with installed.database() as database:
        for days, run in ((101, old), (99, kept)):
            for table, column in (("dag_run", "start_date"), ("task_instance", "start_date"), ("log", "dttm")):
                moved = f"UPDATE {table} SET {column} = now() - interval '{days} days' WHERE run_id = %s"
                assert database.execute(moved, [run]).rowcount
        database.execute("UPDATE dag SET last_parsed_time = now() - interval '200 days' WHERE dag_id = 'load_listings'")
        said = _run(installed, "listings-clean.service", {})
        runs = {row[0] for row in database.execute("SELECT run_id FROM dag_run WHERE dag_id = 'redrive_listings'")}
        assert (False, True) == (old in runs, kept in runs), said
        for table in ("task_instance", "xcom", "log"):
            found = database.execute(f"SELECT DISTINCT run_id FROM {table}").fetchall()
            assert (False, True) == ((old,) in found, (kept,) in found), table
        archives = "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\\_airflow\\_deleted%'"
        assert (0,) == database.execute(archives).fetchone()
    assert paused == {dag["dag_id"]: dag["is_paused"] for dag in installed.call(dags)["dags"]}
    assert isinstance(installed.call("/listings/api/progress"), dict)
    assert installed.redrive()


def test_a_person_changes_the_password_and_adds_a_user(installed: Installed) -> None:
    """The password counts at once; a second user, named in the host's own file, after a restart of the api-server."""
    passwords = installed.layout.passwords
    before = passwords.read_text()
    try:
        passwords.write_text(json.dumps({UI_USER: "example-one", "ana": "example-two"}))
        assert installed.log_in("example-one")
        with pytest.raises(HTTPError, match="401"):
            installed.log_in("example-two", "ana")
        with _local(installed, f"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS={UI_USER}:admin,ana:viewer"):
            _restart_server(installed)
            assert installed.log_in("example-one")
            assert installed.log_in("example-two", "ana")
    finally:
        passwords.write_text(before)
        _restart_server(installed)


def _restart_server(installed: Installed) -> None:
    """What `systemctl restart airflow-api-server` does, until it answers."""
    units = installed.host.units
    units.stop(AIRFLOW[0])
    units.start(AIRFLOW[0])
    _wait(lambda: _answers(installed), "the api-server answers again")


@contextmanager
def _local(installed: Installed, line: str) -> Iterator[None]:
    """A host on which a person has said something in local.env."""
    installed.layout.local.write_text(line + "\n")
    try:
        yield
    finally:
        installed.layout.local.unlink()


def _look(installed: Installed) -> str:
    """What listings-health.service says, run once."""
    units = installed.host.units
    path = f"{installed.host.folder / 'bin'}:{os.environ['PATH']}"
    more = {"PATH": path, "LISTINGS_TRIAL": str(units.folder), **_root(installed)}
    # The disk of whoever runs the tests is no matter of theirs, unless the test says so.
    more |= {} if installed.layout.local.exists() else {"LISTINGS_DISK_PERCENT": "100"}
    return _run(installed, "listings-health.service", more)


def _run(installed: Installed, name: str, more: dict[str, str]) -> str:
    """What a unit says that runs to its end, started as its account with what it names and `more`."""
    units = installed.host.units
    unit = units.unit(name)
    user = unit.service("User")
    done = subprocess.run(
        unit.one("Service", "ExecStart").split(),
        cwd=unit.one("Service", "WorkingDirectory"),
        env={**units.environment(unit), **more},
        capture_output=True,
        text=True,
        check=False,
        user=user if user != pwd.getpwuid(os.geteuid()).pw_name else None,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _root(installed: Installed) -> dict[str, str]:
    """The account's root: the local Airflow role is no instance's, which alone may put metrics."""
    return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": ""}


def _metric(installed: Installed) -> list[float]:
    """The lowest and the highest value of the metric in the last minutes."""
    now = datetime.now(UTC)
    found = installed.ministack.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=METRIC,
        Dimensions=[{"Name": "Stage", "Value": "local"}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Minimum", "Maximum"],
    )["Datapoints"]
    return [min(each["Minimum"] for each in found), max(each["Maximum"] for each in found)]


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline, f"not within 90 s: {what}"
        time.sleep(0.5)


def _answers(installed: Installed) -> bool:
    try:
        return not ill(installed.health())
    except OSError:
        return False


def test_a_second_installation_changes_no_secret(installed: Installed) -> None:
    """Nor the certificate, nor when the schedules begin; and it comes up again."""
    before = installed.secrets()
    done = installed.host.install(installed.layout.current.resolve())
    assert 0 == done.returncode, done.stdout + done.stderr
    assert before == installed.secrets()
    assert _answers(installed)


def test_a_release_that_cannot_be_read_leaves_the_old_one_at_work(installed: Installed, tmp_path: Path) -> None:
    """A DAG file with a fault: nothing was stopped, and it says why. The settings are still those of the stack."""
    pids = [installed.host.units.pid(unit) for unit in AIRFLOW]
    folder = installed.host.unpack(
        _broken(
            installed.release,
            tmp_path,
            "dags/sense_listings.py",
            b"raise RuntimeError('broken on purpose')  # a dag of airflow\n",
        )
    )
    settings = installed.layout.settings.read_text()
    installed.layout.settings.write_text(settings + "LISTINGS_RELEASE=releases/broken.tar.gz\n")
    done = installed.host.install(folder)
    assert 1 == done.returncode
    assert "broken on purpose" in done.stderr
    assert installed.release.name == installed.layout.current.resolve().name
    assert pids == [installed.host.units.pid(unit) for unit in AIRFLOW]
    assert settings + "LISTINGS_RELEASE=releases/broken.tar.gz\n" == installed.layout.settings.read_text()


def test_a_release_that_does_not_come_up_gives_way_to_the_old_one(installed: Installed, tmp_path: Path) -> None:
    """A unit that ends at once: the old release has link, units and health back, and the reason is said.

    It runs with what the stack says now: the functions write under the new version of the transform already.
    """
    unit = (installed.layout.current / "infra/host/systemd/airflow-scheduler.service").read_bytes()
    text = unit.replace(b"airflow scheduler --skip-serve-logs", b"airflow scheduler --no-such-option")
    folder = installed.host.unpack(
        _broken(installed.release, tmp_path, "infra/host/systemd/airflow-scheduler.service", text)
    )
    version = "LISTINGS_TRANSFORM_VERSION"
    settings = {**env_file.read(installed.layout.settings), version: "example-new"}
    installed.host.settings(settings)
    done = installed.host.install(folder)
    assert 1 == done.returncode
    assert "did not come up: airflow-scheduler.service: it keeps ending" in done.stderr
    assert "unrecognized arguments: --no-such-option" in done.stderr
    assert f"{installed.release.name} runs again." in done.stderr
    assert installed.release.name == installed.layout.current.resolve().name
    assert "--skip-serve-logs" in installed.host.units.unit(AIRFLOW[-1]).one("Service", "ExecStart")
    assert _answers(installed)
    pid = installed.host.units.pid(AIRFLOW[-1])
    assert "example-new" == psutil.Process(pid).environ()[version]
    assert settings == env_file.read(installed.layout.kept / "settings.env")


def _broken(release: Release, folder: Path, name: str, content: bytes) -> Release:
    """The same release with one file changed."""
    unpack(release.path, folder / "changed")
    (folder / "changed" / name).write_bytes(content)
    return build_release(folder, folder / "changed")
