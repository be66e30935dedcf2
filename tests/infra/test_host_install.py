"""What the installer keeps, gives back and clears away, without a host: its steps with systemd and Airflow faked."""

from __future__ import annotations

import getpass
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from infra.host import install
from infra.host.install import Host, Options
from infra.host.layout import Layout, link
from infra.host.release_tools import InstallError
from infra.host.services import AIRFLOW, Systemd
from tests.support.airflow_health import WELL


class FakeCommands:
    """Airflow's commands: migrating moves the schema from one revision to another."""

    def __init__(self, faulty: str = "") -> None:
        self.environment = {"LISTINGS_API_SLOTS": "2"}
        self._at, self._faulty = "old", faulty
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def do(*arguments: str) -> str:
            if name == self._faulty:
                raise InstallError(f"{name} failed")
            if name == "revision":
                return self._at
            self._at = {"migrate": "new", "downgrade": (*arguments, "")[0]}.get(name, self._at)
            self.done.append(" ".join((name, *arguments)))
            return ""

        return do


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host on which release two runs after one, and three lies ready; every step but the installer's own is faked."""
    layout = Layout(tmp_path)
    for name in ("one", "two", "three"):
        (layout.releases / name / "infra" / "host" / "systemd").mkdir(parents=True)
        (layout.releases / name / "infra" / "host" / "tmpfiles.conf").write_text("")
        (layout.releases / name / "infra" / "host" / "airflow.env").write_text("")
    for folder in (layout.kept, layout.state):
        folder.mkdir(parents=True)
    link(layout.current, layout.releases / "two")
    link(layout.previous, layout.releases / "one")
    for path in (layout.settings, layout.host_env):
        (layout.kept / path.name).write_text("OF=two\nAIRFLOW__API__PORT=8443\n")
        path.write_text("OF=three\nAWS_DEFAULT_REGION=eu-central-1\nAIRFLOW__API__PORT=8443\n")
    layout.secrets.write_text("")
    monkeypatch.setattr(Systemd, "_systemctl", lambda self, *arguments: "")
    monkeypatch.setattr(install, "build_environment", lambda release, layout: None)
    monkeypatch.setattr(install, "clear_caches", lambda release, layout: None)
    monkeypatch.setattr(Host, "_database_url", lambda self: "postgresql://example")
    return Host(layout.releases / "three", Options(tmp_path, getpass.getuser(), patience=0.0))


def releases(host: Host) -> list[str]:
    """The releases on the host, by name."""
    return sorted(path.name for path in host.layout.releases.iterdir())


def installing(host: Host, monkeypatch: pytest.MonkeyPatch, commands: FakeCommands, well: set[str]) -> None:
    """Installs where Airflow comes up only for the releases in `well`."""

    def ask(*_: Any) -> dict[str, Any]:
        if host.layout.current.resolve().name not in well:
            raise OSError("refused")
        now = "2999-01-01T00:00:00+00:00"
        beats = {f"latest_{name}_heartbeat": now for name in ("scheduler", "dag_processor")}
        return {**WELL, **{name: {"status": "healthy", **beats} for name in ("scheduler", "dag_processor")}}

    monkeypatch.setattr(install.health, "ask", ask)
    monkeypatch.setattr(install, "Commands", lambda *_: commands)
    host.install()


def test_the_current_and_the_one_before_are_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran before that goes, and the configuration becomes what a later failure falls back to."""
    installing(host, monkeypatch, FakeCommands(), {"three"})
    assert ["three", "two"] == releases(host)
    assert ["three", "two"] == [path.resolve().name for path in (host.layout.current, host.layout.previous)]
    assert "OF=three" in (host.layout.kept / "settings.env").read_text()


def test_the_same_release_again_loses_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before stays the one before."""
    host.release = host.layout.releases / "two"
    installing(host, monkeypatch, FakeCommands(), {"two"})
    assert "one" == host.layout.previous.resolve().name
    assert ["one", "two"] == releases(host)


def test_a_release_that_does_not_come_up_leaves_no_trace(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Link, host.env and the schema of the database go back, and the release itself goes.

    Not the stack's settings: its functions are new already.
    """
    commands = FakeCommands()
    with pytest.raises(InstallError, match=r"(?s)three did not come up: .*refused.*two runs again"):
        installing(host, monkeypatch, commands, {"two"})
    assert ["one", "two"] == releases(host)
    assert ["two", "one"] == [path.resolve().name for path in (host.layout.current, host.layout.previous)]
    for path, of in ((host.layout.settings, "OF=three"), (host.layout.host_env, "OF=two")):
        assert of in path.read_text()
        assert of in (host.layout.kept / path.name).read_text()
    assert "downgrade old" == commands.done[-1]


def test_the_old_settings_are_the_last_resort(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stack's the release before does not come up either; with its own it does, and that is said."""
    ask_settings: list[str] = []

    def start(self: Host, release: Path) -> None:
        ask_settings.append(f"{release.name} with {self.layout.settings.read_text().splitlines()[0]}")
        if ask_settings[-1] != "two with OF=two":
            raise InstallError("no heartbeat")

    monkeypatch.setattr(Host, "_start", start)
    with pytest.raises(InstallError, match=r"(?s)two runs again, with the settings of before, as .*no heartbeat"):
        installing(host, monkeypatch, FakeCommands(), {"two"})
    assert ["three with OF=three", "two with OF=three", "two with OF=two"] == ask_settings
    assert "OF=two" in host.layout.settings.read_text()


def test_settings_that_the_old_code_cannot_read_are_not_tried(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its heartbeats would come, its DAGs would not."""

    class Reading(FakeCommands):
        def require_parsed_dags(self) -> None:
            if "migrate" in self.done:
                raise InstallError("LISTINGS_NEW is no number")

    with pytest.raises(InstallError, match=r"(?s)two runs again, with the settings of before, as .*is no number"):
        installing(host, monkeypatch, Reading(), {"two"})
    assert "OF=two" in host.layout.settings.read_text()


def test_a_unit_that_keeps_ending_is_not_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named at its third return, with its last words, though there is patience left for hours.

    The release before is waited for, though the unit's count goes on from there.
    """
    host.options = Options(host.layout.prefix, host.options.user, patience=10_000.0)
    monkeypatch.setattr(Systemd, "last_words", lambda self, name: "no such option")

    asked: list[str] = []

    def restarts(self: Systemd, name: str) -> int:
        if name != AIRFLOW[-1]:
            return 0
        if host.layout.current.resolve().name == "three":
            asked.append(name)
        return len(asked)

    monkeypatch.setattr(Systemd, "restarts", restarts)
    monkeypatch.setattr(install.time, "sleep", lambda seconds: None)
    with pytest.raises(InstallError, match=r"(?s)airflow-scheduler.service: it keeps ending.*no such option.*two runs"):
        installing(host, monkeypatch, FakeCommands(), {"two"})
    assert 4 == len(asked)


def test_a_migration_that_fails_goes_back_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema is where it was: nothing is downgraded."""
    commands = FakeCommands("migrate")
    with pytest.raises(InstallError, match="migrate failed"):
        installing(host, monkeypatch, commands, {"two"})
    assert "two" == host.layout.current.resolve().name
    assert {"require_parsed_dags"} == set(commands.done)


def test_dags_that_do_not_parse_stop_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before the first question to systemd, with the settings of what runs, which the new could be, too."""
    asked: list[str] = []
    monkeypatch.setattr(Systemd, "_systemctl", lambda self, *arguments: asked.append(arguments[0]))
    with pytest.raises(InstallError, match="three was not installed: require_parsed_dags failed"):
        installing(host, monkeypatch, FakeCommands("require_parsed_dags"), {"two"})
    assert [] == asked
    assert "OF=two" in host.layout.settings.read_text()


@pytest.mark.parametrize(
    ("line", "starts"), [("LISTINGS_RELEASE=releases/three", 0), ("LISTINGS_TRANSFORM_VERSION=9", 1)]
)
def test_what_runs_starts_anew_for_new_settings_only(
    line: str, starts: int, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release cannot be read; the one that runs must know the stack's new transform, not the name of that one."""
    before = "OF=two\nAWS_DEFAULT_REGION=eu-central-1\nAIRFLOW__API__PORT=8443\n"
    (host.layout.kept / "settings.env").write_text(before)
    host.layout.settings.write_text(f"{before}{line}\n")
    asked: list[str] = []
    monkeypatch.setattr(Systemd, "_systemctl", lambda self, *arguments: asked.append(arguments[0]) or "")

    class Reading(FakeCommands):
        def require_parsed_dags(self) -> None:
            self.done.append("read")
            if len(self.done) == 1:
                raise InstallError("no DAG")

    with pytest.raises(InstallError, match=r"(?s)three was not installed: no DAG\ntwo runs"):
        installing(host, monkeypatch, Reading(), {"two"})
    assert line in host.layout.settings.read_text()
    assert 2 * starts == asked.count("start")
    assert "two" == host.layout.current.resolve().name


def test_a_clean_up_at_work_ends_before_the_migration(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """And before Airflow, with the timers that could start it again."""
    asked: list[str] = []
    monkeypatch.setattr(Systemd, "_systemctl", lambda self, *arguments: asked.append(" ".join(arguments)) or "")
    host.layout.units.mkdir(parents=True)
    for name in ("listings-clean.service", "listings-clean.timer", AIRFLOW[-1]):
        (host.layout.units / name).write_text("")
    installing(host, monkeypatch, FakeCommands(), {"three"})
    stops = [each.removeprefix("stop ") for each in asked if each.startswith("stop ")]
    assert ["listings-clean.timer", "listings-clean.service", AIRFLOW[-1]] == stops


def test_a_unit_of_the_failed_release_alone_goes_with_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would start what the release before does not have."""
    asked: list[str] = []
    monkeypatch.setattr(Systemd, "_systemctl", lambda self, *arguments: asked.append(" ".join(arguments)) or "")
    for name, text in (("listings-new.timer", "[Install]\n"), ("listings-new.service", "[Service]\n")):
        (host.release / "infra" / "host" / "systemd" / name).write_text(text)
    with pytest.raises(InstallError, match="two runs again"):
        installing(host, monkeypatch, FakeCommands(), {"two"})
    assert [] == list(host.layout.units.glob("listings-new*"))
    new = [each for each in asked if "listings-new" in each]
    assert ["start listings-new.timer", "stop listings-new.timer", "disable --quiet listings-new.timer"] == new[-3:]


def test_when_nothing_comes_up_both_reasons_are_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the release that failed first stays out of the way."""
    with pytest.raises(InstallError, match=r"(?s)three did not come up.*Nor does two come up again: .*refused"):
        installing(host, monkeypatch, FakeCommands(), set())
    assert "two" == host.layout.current.resolve().name


def test_a_missing_setting_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The region, without which no secret can be found."""
    host.layout.settings.write_text("OF=three\n")
    with pytest.raises(InstallError, match=r"AWS_DEFAULT_REGION is not in settings\.env"):
        installing(host, monkeypatch, FakeCommands(), {"two"})


def test_what_a_command_said_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only how it ended."""

    def fail(self: Host) -> str:
        raise subprocess.CalledProcessError(1, ["psql"], stderr="role does not exist\n")

    monkeypatch.setattr(Host, "_database_url", fail)
    with pytest.raises(InstallError, match="role does not exist"):
        installing(host, monkeypatch, FakeCommands(), {"two"})


def test_schedules_do_not_begin_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start date in host.env is that of the first installation."""
    host.layout.since.write_text("2026-11-01T00:00:00+00:00\n")
    installing(host, monkeypatch, FakeCommands(), {"three"})
    (line,) = [line for line in host.layout.host_env.read_text().splitlines() if "START_DATE" in line]
    assert datetime.fromisoformat("2026-11-01T00:00:00+00:00") == datetime.fromisoformat(line.partition("=")[2])
