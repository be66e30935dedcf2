"""Builds the virtual environments under .venv/, with nothing but a Python interpreter to start from.

Usage: python3 tools/environments.py [--stack] NAME...      (names: airflow, local, test, floors, checkov)

Python's own venv and pip bring uv, with its hash checked; uv brings the rest, all environments at once.
An environment is complete when its stamp is there: a file in it, named by the hash of the requirements,
the interpreter and the place. An environment without any stamp is one whose set-up was cut short, and is
built afresh; one whose requirements changed is brought up to date in place.
The environment `floors` has what Amazon's managed Airflow runs, and its Python, which is looked for on this machine.
With --stack, what is made is for a stack here: where this machine cannot hold one, nothing is made.
The syntax is kept old so that an interpreter that is too old can still be told so.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
REQUIREMENTS = {
    "uv": ROOT / "requirements" / "uv.txt",
    "airflow": ROOT / "requirements" / "airflow.txt",
    "local": ROOT / "requirements" / "local.txt",
    "test": ROOT / "requirements" / "test.txt",
    "floors": ROOT / "requirements" / "floors.txt",
    "checkov": ROOT / "requirements" / "checkov.txt",
}
# Environments that stand for a machine whose Python is given; the others take the Python that runs this.
GIVEN = {"floors": (3, 12)}
STAMP = ".complete-"
# The processes of this run that install something.
STARTED = []


class Python(typing.NamedTuple):
    """What an environment is made from: the program, what it says of itself, where it is installed."""

    path: str
    text: str
    prefix: str
    version: tuple


RUNNING = Python(sys.executable, sys.version, sys.base_prefix, sys.version_info[:3])


def stop(message):
    """Ends the set-up with a message for the person who started it."""
    sys.exit("set-up: " + message)


def check_interpreter():
    """Refuses an interpreter that the pinned packages do not run on, and names one that they do."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    good = [f"python{OLDEST[0]}.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = [name for name in good if shutil.which(name) and runs(name)]
    advice = f"for instance: make PYTHON={found[0] if found else '/path/to/python3.12'} demo"
    mine = f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}"
    stop(f"Python 3.11, 3.12 or 3.13 is needed, and {mine}.\n  Name another one, {advice}")


def runs(name):
    """Whether a command starts an interpreter; a version manager's placeholder may not."""
    return subprocess.call([name, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def asked(path):
    """What a program says of itself as a Python; None where it does not run."""
    question = "import json, sys; print(json.dumps([sys.version, sys.base_prefix, sys.version_info[:3]]))"
    answer = subprocess.run(
        [path, "-I", "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    if answer.returncode != 0:
        return None
    text, prefix, version = json.loads(answer.stdout.decode())
    return Python(path, text, prefix, tuple(version))


def candidates(wanted):
    """Programs that may be this version of Python: on the PATH, of pyenv, known to uv."""
    name = f"python{wanted[0]}.{wanted[1]}"
    for folder in os.get_exec_path():
        yield Path(folder) / name
    # A Python of pyenv has its siblings beside it, whoever's home that is.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for versions in (pyenv, Path(sys.base_prefix).parent):
        for folder in sorted(versions.glob(f"{wanted[0]}.{wanted[1]}*")):
            yield folder / "bin" / name
    uv = VENVS / "uv" / "bin" / "uv"
    if uv.exists():
        find = [str(uv), "python", "find", "--system", "--no-project", f"{wanted[0]}.{wanted[1]}"]
        found = subprocess.run(find, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
        yield Path(found.stdout.decode().strip() or "nowhere")


@functools.lru_cache(maxsize=None)  # noqa: UP033 - the name that older interpreters know
def base_python(name):
    """The Python that an environment is made from; in CI there must be the one that is given."""
    wanted = GIVEN.get(name, RUNNING.version[:2])
    if RUNNING.version[:2] == wanted:
        return RUNNING
    for path in candidates(wanted):
        found = asked(str(path)) if path.is_file() and os.access(str(path), os.X_OK) else None
        if found and found.version[:2] == wanted:
            return found
    number = "{}.{}".format(*wanted)
    if os.environ.get("CI"):
        stop(
            f"{name} needs Python {number}, and there is none on the PATH, under ~/.pyenv or known to uv.\n"
            f"  Install one: pyenv install {number}, or apt-get install python{number} python{number}-venv"
        )
    say("*" * 80)
    say(f"{name}: NO PYTHON {number} HERE. The packages are those of Amazon's managed Airflow, the Python is not:")
    say(f"  {RUNNING.path}, {RUNNING.text.split()[0]}. To have it as there: pyenv install {number}")
    say("*" * 80)
    return RUNNING


def say(text):
    """Prints a line of progress at once."""
    print("set-up: " + text, flush=True)


def clean_environment():
    """The caller's environment without what would redirect an install or keep bytecode from being written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return dict(kept, UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")


def interpreter(name):
    """The Python of an environment."""
    return VENVS / name / "bin" / "python"


def stamp(name):
    """The file whose presence says that this environment is complete."""
    base = base_python(name)
    facts = [REQUIREMENTS[name].read_text(encoding="utf-8"), base.text, base.prefix, str(VENVS.resolve())]
    return VENVS / name / (STAMP + hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16])


def is_complete(name):
    """Whether an environment is there, whole, and made from the requirements as they are now."""
    return stamp(name).exists() and interpreter(name).exists()


def was_complete(name):
    """Whether an environment of this very interpreter was complete for other requirements."""
    config = VENVS / name / "pyvenv.cfg"
    version = ".".join(str(part) for part in base_python(name).version)
    return (
        interpreter(name).exists()
        and any((VENVS / name).glob(STAMP + "*"))
        and version in config.read_text(encoding="utf-8")
    )


def seal(name):
    """Marks an environment as complete."""
    unseal(name)
    stamp(name).touch()


def unseal(name):
    """Takes the mark away, so that an install cut short from here on is seen."""
    for old in (VENVS / name).glob(STAMP + "*"):
        old.unlink()


def install_venv_module():
    """Gets the part of Python that Debian packages apart, or says which package that is."""
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if not (shutil.which("apt-get") and os.geteuid() == 0):
        stop(
            f"this Python ({sys.executable}) cannot make virtual environments: its ensurepip is missing.\n"
            f"  On Debian or Ubuntu: sudo apt-get install {package}\n"
            "  Elsewhere: install Python with pip, or name another one: make PYTHON=..."
        )
    say(f"installing {package} with apt-get (this Python lacks ensurepip)")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    if subprocess.call(install, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) != 0:
        subprocess.call(["apt-get", "update", "-qq"], env=environment)
        if subprocess.call(install, env=environment) != 0:
            stop(f"apt-get could not install {package}; install it, then run make again.")


def has_module(name):
    """Whether this interpreter has a module, asked of a new process: an install may have just brought it."""
    check = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{name}') is None)"
    return subprocess.call([sys.executable, "-c", check]) == 0


def make_uv():
    """Makes .venv/uv from the standard library's venv and pip."""
    if is_complete("uv"):
        return
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        install_venv_module()
        if not (has_module("venv") and has_module("ensurepip")):
            stop(f"{sys.executable} still has no venv and ensurepip; name another one: make PYTHON=...")
    say("getting uv")
    target = str(VENVS / "uv")
    install = [str(interpreter("uv")), "-m", "pip", "install", "--quiet", "--require-hashes"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", target],
        [*install, "--disable-pip-version-check", "-r", str(REQUIREMENTS["uv"])],
    ):
        if started(command).wait() != 0:
            stop("this failed, see above: {}".format(" ".join(command)))
    seal("uv")


def started(command, **streams):
    """A process that Ctrl-C at the terminal does not reach: we end it then, and say so once."""
    process = subprocess.Popen(command, env=clean_environment(), close_fds=False, start_new_session=True, **streams)
    STARTED.append(process)
    return process


def end_what_was_started():
    """Ends the processes that still run, with their children."""
    for process in STARTED:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def start_install(name):
    """Starts filling an environment in the background; gives the process and the log it writes."""
    uv, target = str(VENVS / "uv" / "bin" / "uv"), VENVS / name
    if was_complete(name):
        unseal(name)
    else:
        if target.exists():
            say(f"{name}: an earlier set-up is incomplete or of another Python; building it again")
        make = [uv, "venv", "--quiet", "--clear", "--python", base_python(name).path, str(target)]
        if started(make).wait() != 0:
            stop("{}: this failed, see above: {}".format(name, " ".join(make)))
    say(f"{name}: installing")
    log = VENVS / (name + ".log")
    command = [uv, "pip", "sync", "--compile-bytecode", "--require-hashes"]
    with log.open("w", encoding="utf-8") as output:
        install = [*command, "--python", str(interpreter(name)), str(REQUIREMENTS[name])]
        process = started(install, stdout=output, stderr=subprocess.STDOUT)
    return process, log


def install(names):
    """Fills environments side by side; on a failure shows that one's log and ends the set-up."""
    started = time.monotonic()
    running = {name: start_install(name) for name in names}
    failed = []
    for name, (process, log) in running.items():
        if process.wait() == 0:
            seal(name)
            say(f"{name}: ready after {time.monotonic() - started:.1f} s")
        else:
            failed.append(name)
            print(log.read_text(encoding="utf-8"), file=sys.stderr)
    if failed:
        stop("could not install {}: see above. Running make again continues.".format(", ".join(failed)))


@contextlib.contextmanager
def one_at_a_time():
    """Keeps a second make waiting, instead of both building the same environment.

    The installers inherit the lock: one that outlives a killed set-up is waited for as well.
    """
    VENVS.mkdir(exist_ok=True)
    with (VENVS / ".lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(names):
    """Makes what is missing of the named environments."""
    check_interpreter()
    for_a_stack = "--stack" in names
    names = [name for name in names if name != "--stack"]
    unknown = [name for name in names if name not in REQUIREMENTS]
    if unknown:
        stop("no such environment: {}; there are: {}".format(", ".join(unknown), ", ".join(REQUIREMENTS)))
    if names and all(is_complete(name) for name in names):
        return
    if for_a_stack:
        # Before the minute that follows, and not after it.
        refused = subprocess.call([sys.executable, "-m", "local.machine"], cwd=str(ROOT), env=clean_environment())
        if refused:
            sys.exit(refused)
    with one_at_a_time():
        make_uv()
        base_python.cache_clear()  # uv may know of a Python that nothing else knows of
        install([name for name in names if name != "uv" and not is_complete(name)])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        end_what_was_started()
        say("interrupted; running make again goes on")
        sys.exit(130)
