"""The host's installer in parts: environment files, what Airflow is told, secrets made once, the database."""

from __future__ import annotations

import json
import os
import pwd
import re
import ssl
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.host import clean, database, env_file, own_secrets, release_tools
from infra.host.account import Account
from infra.host.host_environment import host_environment, names_of_host, since
from infra.host.layout import Layout
from infra.host.services import Systemd
from infra.package.mwaa import AIRFLOW_OPTIONS
from local.stack.airflow_environment import CONNECTION_PATTERN, MOST_MAPPED, PRELOADED, SESSION_FACTORY
from tests.support.ministack import PROJECT_ROOT

SETTINGS = {"AWS_DEFAULT_REGION": "eu-central-1", "LISTINGS_LANDING_BUCKET": "listings-dev-landing-111122223333"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty host."""
    found = Layout(tmp_path)
    for folder in (found.configuration, found.state):
        folder.mkdir(parents=True)
    return found


@pytest.fixture
def account() -> Account:
    """Ourselves."""
    me = pwd.getpwuid(os.geteuid())
    return Account(me.pw_name, me.pw_name, me.pw_uid, me.pw_gid, other=False)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Blanks, quotes, dollars, JSON and nothing at all."""
    written = {"A": "a b", "B": """it's "so" $HOME \\ `x`""", "C": '{"k": null}', "D": "", "E": "^(zillow_|x$)"}
    path = tmp_path / "x.env"
    path.write_text(env_file.render(written))
    assert written == env_file.read(path)


def test_a_later_file_goes_before_an_earlier_one(tmp_path: Path) -> None:
    """As units name them; comments and empty lines are none of it."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("# said first\n\nA=1\nB=1\n")
    two.write_text("; said then\nB=2\n")
    assert {"A": "1", "B": "2"} == env_file.read(one, two)


@pytest.mark.parametrize("line", ["A", "1A=x", "A='x", "a b=c"])
def test_a_line_that_is_no_variable_is_named(tmp_path: Path, line: str) -> None:
    """With file and number."""
    path = tmp_path / "settings.env"
    path.write_text(f"OK=1\n{line}\n")
    with pytest.raises(env_file.EnvFileError, match=r"settings\.env:2"):
        env_file.read(path)


def test_the_host_looks_up_preloads_and_maps_what_the_stack_does() -> None:
    """The places that say it agree."""
    static = env_file.read(PROJECT_ROOT / "infra/host/airflow.env")
    assert PRELOADED == static["AIRFLOW__CORE__MP_FORKSERVER_PRELOAD"]
    assert MOST_MAPPED == int(static["AIRFLOW__CORE__MAX_MAP_LENGTH"]) == int(AIRFLOW_OPTIONS["core.max_map_length"])
    assert SESSION_FACTORY == static["AIRFLOW__AWS__SESSION_FACTORY"]
    backend = json.loads(host_environment(Layout(), SETTINGS, "", "h")["AIRFLOW__SECRETS__BACKEND_KWARGS"])
    assert CONNECTION_PATTERN == backend["connections_lookup_pattern"]
    assert ("eu-central-1", "role_arn" in backend) == (backend["region_name"], False)


def test_task_logs_go_to_the_bucket_where_there_is_one() -> None:
    """And only there; without a bucket they stay on the host."""
    told = host_environment(Layout(), {**SETTINGS, "LISTINGS_LOG_BUCKET": "logs"}, "", "h")
    assert "s3://logs/task-logs" == told["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"]
    assert "aws_s3_conn" == told["AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID"]
    assert "True" == told["AIRFLOW__LOGGING__DELETE_LOCAL_LOGS"]
    assert [] == [name for name in host_environment(Layout(), SETTINGS, "", "h") if "REMOTE" in name]


def test_settings_say_where_the_pages_are() -> None:
    """Address, port and public name; tasks reach the server on this very host whatever those are."""
    told = host_environment(
        Layout(), {**SETTINGS, "LISTINGS_UI_HOST": "127.0.0.1", "LISTINGS_UI_PORT": "9443"}, "", "box"
    )
    assert ["127.0.0.1", "9443"] == [told[f"AIRFLOW__API__{name}"] for name in ("HOST", "PORT")]
    assert "https://box:9443" == told["AIRFLOW__API__BASE_URL"]
    assert "https://127.0.0.1:9443/execution/" == told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]


@pytest.mark.parametrize(
    ("url", "name", "kind"),
    [
        ("https://198.51.100.7:8443", "198.51.100.7", "IP Address"),
        ("https://[2001:db8::7]:8443/", "2001:DB8:0:0:0:0:0:7", "IP Address"),
        ("https://Listings.example", "listings.example", "DNS"),
    ],
)
def test_the_address_in_the_settings_is_the_one_of_links_and_certificate(
    url: str, name: str, kind: str, layout: Layout, account: Account
) -> None:
    """Airflow makes its links from it, and the certificate names it as what it is; once made, it is kept."""
    settings = {**SETTINGS, "LISTINGS_UI_URL": url}
    assert url == host_environment(layout, settings, "", "box")["AIRFLOW__API__BASE_URL"]
    own_secrets.make_certificate(layout, account, names_of_host(settings))
    first = layout.certificate.read_bytes()
    (found,) = ssl.create_default_context(cafile=str(layout.certificate)).get_ca_certs()
    assert (kind, name) in list(found["subjectAltName"])
    own_secrets.make_certificate(layout, account, names_of_host(settings))
    assert first == layout.certificate.read_bytes()


def test_schedules_begin_with_the_first_installation(layout: Layout) -> None:
    """A later one does not move it."""
    layout.since.write_text("2026-11-01T00:00:00+00:00\n")
    assert "2026-11-01T00:00:00+00:00" == since(layout)


def test_keys_are_made_once_and_the_database_may_move(layout: Layout) -> None:
    """Each of its own, in a file for root alone."""
    own_secrets.make_keys(layout, "postgresql://one")
    first = env_file.read(layout.secrets)
    own_secrets.make_keys(layout, "postgresql://two")
    second = env_file.read(layout.secrets)
    assert {own_secrets.DATABASE_URL} == {name for name in first if first[name] != second[name]}
    assert len(first) == len(set(first.values())) == 4
    assert 0o600 == stat.S_IMODE(layout.secrets.stat().st_mode)


def test_the_password_is_kept(layout: Layout, account: Account) -> None:
    """Also one that a person has put there."""
    own_secrets.make_password(layout, account)
    assert len(json.loads(layout.passwords.read_text())["admin"]) >= 20
    layout.passwords.write_text('{"admin": "example-not-real"}')
    own_secrets.make_password(layout, account)
    assert '{"admin": "example-not-real"}' == layout.passwords.read_text()


def test_a_certificate_is_made_again_for_a_new_name_only(layout: Layout, account: Account) -> None:
    """It names the host as browsers and tasks do, and can be trusted by itself."""
    own_secrets.make_certificate(layout, account, ["box.example"])
    first = layout.certificate.read_bytes()
    own_secrets.make_certificate(layout, account, ["box.example"])
    assert first == layout.certificate.read_bytes()
    own_secrets.make_certificate(layout, account, ["box.example", "198.51.100.7"])
    assert first != layout.certificate.read_bytes()
    (found,) = ssl.create_default_context(cafile=str(layout.certificate)).get_ca_certs()
    names = [("IP Address", "127.0.0.1"), ("DNS", "localhost"), ("DNS", "box.example"), ("IP Address", "198.51.100.7")]
    assert names == list(found["subjectAltName"])
    assert 0o600 == stat.S_IMODE(layout.certificate_key.stat().st_mode)


def test_downloads_for_other_requirements_go(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched for a release is kept for those that need the same, and lies nowhere else."""
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    told: list[Mapping[str, str]] = []
    monkeypatch.setattr(release_tools, "_run", lambda command, folder, environment: told.append(environment))
    for name, requirements in (("one", "a==1"), ("two", "a==2"), ("three", "a==2")):
        release = tmp_path / name
        (release / "requirements").mkdir(parents=True)
        (release / "requirements" / "airflow.txt").write_text(requirements)
        release_tools.build_environment(release, layout)
        assert "1" == told[-1]["PIP_NO_CACHE_DIR"]
        Path(told[-1]["UV_CACHE_DIR"]).mkdir(parents=True, exist_ok=True)
    one, two = sorted({Path(each["UV_CACHE_DIR"]) for each in told}, key=lambda path: path.stat().st_ctime_ns)
    assert {layout.cache} == {one.parent, two.parent}
    release_tools.clear_caches(tmp_path / "three", layout)
    assert [two] == list(layout.cache.iterdir())


def test_history_that_the_page_shows_is_kept() -> None:
    """The clean-up spares what the longest table of the page reads, and never says that a DAG is paused or not."""
    shown = re.search(r"Query\(ge=1, le=(\d+)\)", (PROJECT_ROOT / "plugins/listings_ui/app.py").read_text())
    earlier = re.search(
        r"_EARLIER = timedelta\(days=(\d+)\)", (PROJECT_ROOT / "plugins/listings_ui/metadata.py").read_text()
    )
    assert shown
    assert earlier
    assert int(shown[1]) + int(earlier[1]) < clean.KEPT_DAYS
    command = clean.command(Path("airflow"), datetime(2026, 11, 22, 2, 37, tzinfo=UTC))
    assert ["--clean-before-timestamp", "2026-08-14T02:37:00+00:00"] == command[3:5]
    assert {"dag_run", "task_instance", "xcom", "log", "asset_event"} < set(clean.TABLES)
    assert "dag" not in clean.TABLES


class FakeSystemd(Systemd):
    """Notes what it is asked."""

    def _systemctl(self, *arguments: str) -> str:
        (self.units / "asked").open("a").write(" ".join(arguments) + "\n")
        return ""

    def asked(self) -> list[str]:
        """What it was asked, once more from the start."""
        path = self.units / "asked"
        text = path.read_text()
        path.unlink()
        return text.splitlines()


def test_the_database_is_made_once_and_opens_no_port(tmp_path: Path) -> None:
    """initdb, role and database where they are not; PostgreSQL is restarted only when what it is told has changed."""
    data, ran = tmp_path / "data", list[str]()
    answers = {"SELECT": ""}

    def run(command: Sequence[str]) -> str:
        ran.append(command[-1])
        if command[-1] == "--initdb":
            data.mkdir()
            (data / "PG_VERSION").write_text("16\n")
            (data / "postgresql.conf").write_text("port = 5432\n")
        return answers["SELECT"] if command[-1].startswith("SELECT") else ""

    systemd = FakeSystemd(tmp_path)
    encoded = "CREATE DATABASE airflow OWNER airflow TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
    assert "postgresql+psycopg2://airflow@/airflow?host=/run/postgresql" == database.prepare(systemd, data, run)
    assert ["--initdb", "CREATE ROLE airflow LOGIN", encoded] == [
        command for command in ran if not command.startswith("SELECT")
    ]
    assert "restart postgresql.service" == systemd.asked()[-1]
    assert "listen_addresses = ''\n" in (data / "airflow.conf").read_text()
    ran.clear()
    answers["SELECT"] = "1\n"
    database.prepare(systemd, data, run)
    assert 2 == len(ran)
    assert "start postgresql.service" == systemd.asked()[-1]
    assert 1 == (data / "postgresql.conf").read_text().count("include_if_exists")
