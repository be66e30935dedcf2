"""Which Python an environment is made from, where it stands for a machine whose Python is given."""

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
GIVEN = (3, 99)


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up, for a `floors` of Python 3.99, on a machine with nothing but the folder `bin` and no pyenv."""
    spec = importlib.util.spec_from_file_location("environments", ROOT / "tools" / "environments.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "GIVEN", {"floors": GIVEN})
    monkeypatch.setattr(module, "VENVS", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'bin'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.delenv("CI", raising=False)
    return module


def program(path: Path, words: str = "") -> Path:
    """A program that says it is Python `words`, or one that does not run, as a version manager's placeholder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{words}'\n" if words else "#!/bin/sh\nexit 127\n")
    path.chmod(0o755)
    return path


def says(minor: int) -> str:
    """What a Python 3.`minor` answers."""
    return f'["3.{minor}.1 (of a test)", "/prefix", [3, {minor}, 1]]'


def test_a_placeholder_is_passed_over_for_a_python_that_runs(environments: ModuleType, tmp_path: Path) -> None:
    """The first on the PATH does not run, the second is another version: the third, of pyenv, is taken."""
    program(tmp_path / "shims" / "python3.99")
    program(tmp_path / "bin" / "python3.99", says(98))
    good = program(tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python3.99", says(99))

    found = environments.base_python("floors")
    assert (str(good), "/prefix", (3, 99, 1)) == (found.path, found.prefix, found.version)


def test_the_stamp_is_that_of_the_python_that_was_found(environments: ModuleType, tmp_path: Path) -> None:
    """Another Python 3.99 makes the environment another; whoever runs the set-up does not matter."""
    python = program(tmp_path / "bin" / "python3.99", says(99))
    stamps = [environments.stamp("floors").name]
    program(python, says(99).replace("3.99.1 (", "3.99.2 ("))
    environments.base_python.cache_clear()

    assert environments.stamp("floors").name not in stamps


def test_the_others_are_made_from_the_python_that_runs(
    environments: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only `floors` looks around, and nothing is said of the others."""
    assert {sys.executable} == {environments.base_python(name).path for name in ("uv", "airflow", "local", "test")}
    assert "" == capsys.readouterr().out


def test_a_person_without_that_python_is_told_so(environments: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The Python that runs is taken, and the output says what is not as on the real machine."""
    assert sys.executable == environments.base_python("floors").path
    assert "floors: NO PYTHON 3.99 HERE." in capsys.readouterr().out


def test_in_ci_there_must_be_that_python(environments: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """No silent replacement: it ends with what to install."""
    monkeypatch.setenv("CI", "1")

    with pytest.raises(SystemExit, match=r"floors needs Python 3\.99[^$]*apt-get install python3\.99 python3\.99-venv"):
        environments.base_python("floors")


def test_the_lock_holds_what_the_short_list_asks_for(environments: ModuleType) -> None:
    """Each line of requirements.txt is in the Airflow environment's lock, in a version that the line allows."""
    lock = environments.REQUIREMENTS["airflow"].read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    asked = [Requirement(line) for line in lines if line]
    held = [each for each in asked if each.name in locked and locked[each.name] in each.specifier]
    assert [str(each) for each in asked] == [str(each) for each in held]
    assert {"apache-airflow", "pyarrow"} < {each.name for each in asked}


def test_an_interrupted_set_up_is_one_line_and_leaves_no_installer(tmp_path: Path) -> None:
    """Ctrl-C while two installers run ends both, with exit code 130 and one line."""
    source = (ROOT / "tools" / "environments.py").read_text()
    head, tail = source.split('if __name__ == "__main__":\n')
    work = """
def main(names):
    for name in names:
        started(["sleep", name])
    print("at work", flush=True)
    STARTED[0].wait()
"""
    # Tests that run in the background of a shell ignore Ctrl-C, and all that they start would with them.
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = tmp_path / "environments.py"
    script.write_text(f'{head}{heed}{work}if __name__ == "__main__":\n{tail}')
    with subprocess.Popen(
        [sys.executable, str(script), "61.5", "62.5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as setting_up:
        assert setting_up.stdout is not None
        assert "at work\n" == setting_up.stdout.readline()
        children = psutil.Process(setting_up.pid).children()
        setting_up.send_signal(signal.SIGINT)
        said = setting_up.stdout.read()

    assert (130, "set-up: interrupted; running make again goes on\n") == (setting_up.returncode, said)
    assert 2 == len(children)
    assert [] == [child for child in children if child.is_running()]
