"""The release bundle: the same bytes for the same checkout, all that the host needs and nothing else, and its units."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from infra.host.account import Account
from infra.host.layout import Layout
from infra.host.services import AIRFLOW, CLEAN, render, unit_files
from infra.package.release import PROJECT_ROOT, build_release
from tests.proofs.host.trial import unpack
from tests.proofs.host.units import Unit

UNITS = {path.name: Unit.read(path) for path in unit_files(PROJECT_ROOT)}
TRIAL = Account("trial", "trial", 65534, 65534, True)
# What makes a unit's process unable to change its own code or the system's, whatever a task does.
HARDENING = {
    "NoNewPrivileges": "true",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ReadWritePaths": "/var/lib/airflow",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "RestrictSUIDSGID": "true",
    "UMask": "0077",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of this checkout."""
    return build_release(tmp_path_factory.mktemp("release")).path


def names(bundle: Path) -> list[str]:
    """What is in a bundle."""
    with tarfile.open(bundle) as archive:
        return archive.getnames()


def test_two_builds_are_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    """Also of a copy of the checkout with other times and modes, and with the litter of runs and editors in it."""
    copy = tmp_path / "checkout"
    for folder in ("dags", "include", "plugins", "infra", "requirements", "tools"):
        shutil.copytree(PROJECT_ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    for litter in ("dags/__pycache__/x.cpython-312.pyc", "include/.x.py.swp", "infra/host/.ruff_cache/x"):
        (copy / litter).parent.mkdir(exist_ok=True)
        (copy / litter).write_bytes(b"litter")
    again = build_release(tmp_path / "out", copy)
    assert bundle.name == again.path.name
    assert hashlib.sha256(bundle.read_bytes()).digest() == hashlib.sha256(again.path.read_bytes()).digest()


def test_the_name_is_of_the_content(bundle: Path, tmp_path: Path) -> None:
    """listings- and twelve hex digits, others as soon as a byte is another."""
    assert re.fullmatch(r"listings-[0-9a-f]{12}\.tar\.gz", bundle.name)
    copy = tmp_path / "checkout"
    unpack(bundle, copy)
    assert bundle.name == build_release(tmp_path, copy).path.name
    (copy / "dags" / "load_listings.py").write_bytes(b"# changed\n")
    assert bundle.name != build_release(tmp_path, copy).path.name


def test_the_bundle_holds_every_source_that_is_tracked(bundle: Path, tracked: list[str]) -> None:
    """What git keeps below dags, include and plugins is there, data files too; settings of tools are not."""
    found = names(bundle)
    sources = [name for name in tracked if name.startswith(("dags/", "include/", "plugins/"))]
    assert len(sources) > 50
    assert [] == [name for name in sources if name not in found and Path(name).name != ".sqlfluff"]


def test_the_bundle_holds_what_runs_and_nothing_else(bundle: Path) -> None:
    """No tests, stand-in, functions, bytecode or settings of tools; but Airflow's ignore file, and the installer."""
    found = names(bundle)
    tops = {name.partition("/")[0] for name in found}
    assert {"dags", "include", "plugins", "infra", "tools", "requirements"} == tops
    assert [] == [name for name in found if re.search(r"\.pyc$|__pycache__|ruff|(^|/)tests?/|template\.yaml", name)]
    assert {"plugins/.airflowignore", "infra/host/install.sh", "infra/host/airflow.env"} <= set(found)


def test_what_the_bundle_imports_of_ours_is_in_it(bundle: Path, tmp_path: Path) -> None:
    """Every `import` of a folder of this project, in any file of the bundle, finds its module there."""
    unpack(bundle, tmp_path)
    ours = {path.name for path in PROJECT_ROOT.iterdir() if path.is_dir()}
    seen = 0
    for path in tmp_path.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
            for name in [module] if module else [each.name for each in node.names]:
                if name.partition(".")[0] in ours:
                    seen += 1
                    target = tmp_path / name.replace(".", "/")
                    assert target.with_suffix(".py").exists() or target.is_dir(), f"{path}: {name}"
    assert seen > 100


def test_scripts_can_be_started_and_belong_to_nobody(bundle: Path) -> None:
    """install.sh may be executed, all else not; no name of whoever built it."""
    with tarfile.open(bundle) as archive:
        for entry in archive:
            assert (0o755 if entry.name.endswith(".sh") else 0o644) == entry.mode
            assert (0, 0, "", "", 315532800) == (entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime)


def test_a_checkout_that_lacks_something_is_refused(tmp_path: Path) -> None:
    """It says what is not there."""
    with pytest.raises(FileNotFoundError, match=r"The host needs .*infra/__init__\.py"):
        build_release(tmp_path, tmp_path)


@pytest.mark.parametrize("name", AIRFLOW)
def test_a_component_comes_back_whatever_ended_it(name: str) -> None:
    """Restart always, with a pause and without end, and again after a boot."""
    unit = UNITS[name]
    assert "always" == unit.one("Service", "Restart")
    assert "10" == unit.one("Service", "RestartSec")
    assert "0" == unit.one("Unit", "StartLimitIntervalSec")
    assert "multi-user.target" == unit.one("Install", "WantedBy")
    assert "postgresql.service" in unit.one("Unit", "After").split()


@pytest.mark.parametrize("name", [*AIRFLOW, CLEAN])
def test_a_component_is_an_account_of_its_own_that_can_change_nothing(name: str) -> None:
    """Not root, no way to become it, one folder to write in; settings of the deploy before secrets, after defaults."""
    unit = UNITS[name]
    assert ["airflow", "airflow"] == [unit.one("Service", "User"), unit.one("Service", "Group")]
    assert HARDENING == {key: unit.one("Service", key) for key in HARDENING}
    assert unit.service("ProtectProc") is None  # with it no task starts: seen under systemd 252
    files = ["/opt/listings/current/infra/host/airflow.env", "/etc/listings/host.env", "/etc/listings/settings.env"]
    files += ["-/etc/listings/local.env", "/etc/listings/secrets.env"]
    assert files == unit.values["Service", "EnvironmentFile"]


def test_memory_is_shared_out_and_a_greedy_task_ends_alone() -> None:
    """The scheduler's share, in which its tasks run, leaves room for the rest of 4 GiB; the api-server dies last."""
    scheduler, server = UNITS["airflow-scheduler.service"], UNITS["airflow-api-server.service"]
    assert "continue" == scheduler.one("Service", "OOMPolicy")
    assert "2G" == scheduler.one("Service", "MemoryMax")
    assert int(scheduler.one("Service", "OOMScoreAdjust")) > 0 > int(server.one("Service", "OOMScoreAdjust"))


def test_the_scheduler_ends_before_what_its_tasks_report_to() -> None:
    """It alone is told to stop and waits for its tasks; then what is left of it is killed."""
    scheduler = UNITS["airflow-scheduler.service"]
    assert "airflow-api-server.service" in scheduler.one("Unit", "After").split()
    assert ["mixed", "180"] == [scheduler.one("Service", key) for key in ("KillMode", "TimeoutStopSec")]
    assert "--skip-serve-logs" in scheduler.one("Service", "ExecStart")


def test_the_health_check_runs_each_minute() -> None:
    """Its timer is started at boot, and a look ends before the next one."""
    timer, service = UNITS["listings-health.timer"], UNITS["listings-health.service"]
    assert ["1min", "3min"] == [timer.one("Timer", key) for key in ("OnUnitInactiveSec", "OnBootSec")]
    assert "timers.target" == timer.one("Install", "WantedBy")
    assert int(service.one("Service", "TimeoutStartSec")) < 60


def test_the_history_is_cut_each_week_while_nothing_is_due() -> None:
    """Hours before the extraction and away from the reconciliation's minute; what a stop made it miss is made up."""
    timer = UNITS["listings-clean.timer"]
    assert ["Sun *-*-* 02:37:00 UTC", "true"] == [timer.one("Timer", key) for key in ("OnCalendar", "Persistent")]
    assert "timers.target" == timer.one("Install", "WantedBy")
    assert "oneshot" == UNITS[CLEAN].one("Service", "Type")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about them, and would have about a misspelt line."""
    layout = verifiable(tmp_path)
    assert (0, []) == verified(layout)
    scheduler = layout.units / AIRFLOW[-1]
    scheduler.write_text(scheduler.read_text().replace("Restart=", "Restarts="))
    assert "Restarts" in " ".join(verified(layout)[1])


def verifiable(folder: Path) -> Layout:
    """The units below a folder, with stand-ins for the programs that they start."""
    layout = Layout(folder)
    layout.units.mkdir(parents=True)
    layout.state.mkdir(parents=True)
    for name in ("airflow", "python"):
        program = layout.current / ".venv" / "airflow" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for path in unit_files(PROJECT_ROOT):
        (layout.units / path.name).write_text(render(path.read_text(), layout, TRIAL))
    return layout


def verified(layout: Layout) -> tuple[int, list[str]]:
    """How systemd-analyze ends, and what it says of our units."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(layout.units.iterdir()))],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{layout.units}:/lib/systemd/system:/usr/lib/systemd/system"},
        capture_output=True,
        text=True,
    )
    return done.returncode, [line for line in done.stderr.splitlines() if str(layout.units) in line]


def test_a_trial_keeps_to_its_prefix(tmp_path: Path) -> None:
    """A rendered unit names no path and no account of a real host; without a prefix it is the file as it is."""
    for path in unit_files(PROJECT_ROOT):
        text = render(path.read_text(), Layout(tmp_path), TRIAL)
        assert [] == re.findall(rf"(?<!{re.escape(str(tmp_path))})/(?:opt|etc|var)/\S+", text)
        assert "User=airflow" not in text
        real = Account("airflow", "airflow", 990, 990, True)
        assert path.read_text() == render(path.read_text(), Layout(), real)
