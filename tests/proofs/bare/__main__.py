"""Runs the README's commands on a bare machine: a minimal Debian with python3 and make, of a user's or root's.

Usage, as root on Debian: python -m tests.proofs.bare [--as root] [--folder DIR] [TARGET...]   (demo check down)

The machine is a folder with mounts, processes and shared memory of its own (`unshare`), which go when this ends,
whatever ends it. Only the network is shared: the set-up fetches packages. In it is the last commit, without git.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from local.stack.ports import PREFIX, Ports, free_ports, is_held
from tests.proofs.bare import debian_root, traces
from tests.proofs.bare.debian_root import PERSON, NoBareMachine

ROOT = Path(__file__).resolve().parents[3]
# Kept over a boot, and not in memory: 6 GB go into it.
FOLDER = "/var/tmp"
# The folder becomes the root of all mounts: where it were only a chroot, there would be no user namespaces.
ENTER = 'cd "$0"; user=$1; shift; pivot_root . mnt; cd /; umount -l /mnt; exec chroot --userspec="$user" / "$@"'
TARGETS = ("demo", "check", "down")


def start(parent: str, user: str, targets: Sequence[str]) -> int:
    """Makes a folder below `parent`, runs `stay` in it with namespaces of its own, and removes it.

    Raises NoBareMachine where that cannot be done here.
    """
    debian_root.require()
    folder = Path(tempfile.mkdtemp(prefix="listings-bare-", dir=parent))
    folder.chmod(0o755)
    # Whoever is killed takes those below along.
    own = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child")
    again = (sys.executable, "-m", "tests.proofs.bare", "--inside", str(folder), "--as", user, *targets)
    try:
        return subprocess.call([*own, "--mount-proc", *again], cwd=ROOT)
    finally:
        shutil.rmtree(folder)


def stay(root: Path, user: str, targets: Sequence[str]) -> int:
    """Makes the machine and runs each target; 1 if one failed or something is left in the end."""
    started = time.monotonic()
    # Root gets python3-venv from the set-up, anybody else must have it.
    debian_root.make(root, () if user == "root" else ("python3-venv",))
    for path in debian_root.named_files(os.environ):
        debian_root.copy(path, root / path.relative_to("/"))
    checkout = unpack(root, user)
    debian_root.mount(root, os.environ)
    ports = Ports()
    if any(is_held(port) for _, port in ports.items()):
        ports = free_ports()
    say(f"a bare machine in {root} after {time.monotonic() - started:.0f} s; ports {dict(ports.items())}")
    homes = (checkout.parent, root / "root")
    reap()
    before = traces.look(root, homes, asdict(ports).values())
    results = []
    for target in targets:
        started = time.monotonic()
        code = run([*enter(root, user), *command(root, checkout, user, ports), target])
        results.append(
            f"make {target:<8} {'' if code == 0 else f'FAILED ({code}) '}after {time.monotonic() - started:.0f} s"
        )
        say(results[-1])
    reap()
    left = sorted(traces.look(root, homes, asdict(ports).values()) - before)
    say("\n".join([f"as {user}:", *results, *(f"LEFT: {line}" for line in left or ["nothing"])]))
    return 1 if left or any("FAILED" in result for result in results) else 0


def unpack(root: Path, user: str) -> Path:
    """Puts the last commit into a folder of the user's, and returns it."""
    checkout = root / ("srv" if user == "root" else f"home/{user}") / "listings"
    checkout.mkdir()
    tarball = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    if tarball.returncode:
        raise NoBareMachine(f"git has no commit to put on the machine: {tarball.stderr.decode()}")
    subprocess.run(["tar", "--extract", "--directory", str(checkout)], input=tarball.stdout, check=True)
    debian_root.inside(root, f"chown -R {user}: /{checkout.relative_to(root)}")
    return checkout


def enter(root: Path, user: str) -> list[str]:
    """What runs a command on the machine as its user."""
    return ["unshare", "--mount", "sh", "-ec", ENTER, str(root), f"{user}:{user}"]


def command(root: Path, checkout: Path, user: str, ports: Ports) -> list[str]:
    """`make` in the checkout, with the environment of somebody who has just logged in."""
    environment = {
        **debian_root.handed_on(os.environ),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin" if user == "root" else "/usr/local/bin:/usr/bin",
        "HOME": "/root" if user == "root" else f"/home/{user}",
        "USER": user,
        "LOGNAME": user,
    }
    if ports != Ports():
        environment |= {f"{PREFIX}{name.upper()}": str(port) for name, port in ports.items()}
    variables = (f"{name}={value}" for name, value in environment.items())
    return ["env", "-i", *variables, "make", "-C", f"/{checkout.relative_to(root)}"]


def run(line: Sequence[str]) -> int:
    """Runs a program to its end, and as the machine's first process also sees off what others leave to it."""
    program = subprocess.Popen(line, stdin=subprocess.DEVNULL)
    while True:
        pid, status = os.wait()
        if pid == program.pid:
            program.returncode = os.waitstatus_to_exitcode(status)
            return program.returncode


def reap() -> None:
    """Sees off what has ended by now."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def say(text: str) -> None:
    """Prints at once."""
    print(f"bare: {text}", flush=True)


def main() -> int:
    """The command line; 2 where no bare machine can be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.bare", description=__doc__)
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET", help="of make (demo check down)")
    parser.add_argument(
        "--as", dest="user", choices=(PERSON, "root"), default=PERSON, help="who runs them (%(default)s)"
    )
    parser.add_argument("--folder", default=FOLDER, help="where the machine is made, 6 GB (%(default)s)")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    try:
        return (
            stay(chosen.inside, chosen.user, chosen.targets)
            if chosen.inside
            else start(chosen.folder, chosen.user, chosen.targets)
        )
    except NoBareMachine as lacking:
        print(f"bare: {lacking}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
