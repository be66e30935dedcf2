"""A minimal Debian in a folder, with this machine's way to packages and nothing else of it.

What apt, pip and uv are told here is read when it is made: their files are copied, their variables handed on, and the
folders that either names are there as well, read-only. Nothing of it is written down in this project.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools import debian

PROGRAMS = ("debootstrap", "unshare", "git")
# What the README asks for, and the certificates without which no package is fetched.
NEEDED = ("python3", "make", "ca-certificates")
PERSON = "person"
APT = ("/etc/apt", "/usr/share/keyrings", "/usr/local/share/ca-certificates", "/etc/hosts", "/etc/resolv.conf")
# Of pip and uv, for everybody and in a home.
SETTINGS = ("/etc/pip.conf", "/etc/xdg/pip", "/etc/uv")
SETTINGS_AT_HOME = (".pip", ".config/pip", ".config/uv")
_HANDED_ON = re.compile(
    r"(PIP|UV)_(?!.*CACHE)\w+|\w+_proxy|\w+_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
)
_PATH = re.compile(r"(?:(?<=file://)|(?<![\w:/.]))/[^\s'\",:]+")


class NoBareMachine(RuntimeError):
    """This machine cannot make a bare one; the message says what it lacks."""


def require() -> None:
    """Raises NoBareMachine unless what makes a bare machine is here; installs debootstrap where that may be done."""
    if os.geteuid() != 0:
        raise NoBareMachine("only root can make a bare machine, with debootstrap and chroot: sudo make proof-bare")
    if not shutil.which("debootstrap") and debian.may_install():
        debian.install(["debootstrap"])
    if lacking := [name for name in PROGRAMS if not shutil.which(name)]:
        raise NoBareMachine(f"a bare machine is made with {', '.join(PROGRAMS)}; not here: {', '.join(lacking)}")


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment what says where packages come from and which certificates are good; no caches."""
    return {name: value for name, value in environment.items() if _HANDED_ON.fullmatch(name)}


def make(root: Path, packages: tuple[str, ...]) -> None:
    """Makes a minimal Debian of this machine's release and sources in `root`, with these packages and a user.

    Raises NoBareMachine where debootstrap fails, which is so without a network.
    """
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    include = f"--include={','.join((*NEEDED, *packages))}"
    command = ["debootstrap", "--variant=minbase", include, codename, str(root), _source_of(codename)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoBareMachine(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}")
    shutil.rmtree(root / "etc/apt")
    for path in (*APT, *SETTINGS):
        copy(Path(path), root / path[1:])
    inside(root, "update-ca-certificates", "useradd --create-home --shell /bin/sh " + PERSON)
    for home in ("root", f"home/{PERSON}"):
        for name in SETTINGS_AT_HOME:
            copy(Path.home() / name, root / home / name)
    inside(root, f"chown -R {PERSON}: /home/{PERSON}", "apt-get update -qq")


def _source_of(codename: str) -> str:
    """Where this machine's apt has the packages of its release from."""
    options = ("--format", "$(REPO_URI)", "Identifier: Packages", "Component: main", f"Codename: {codename}")
    asked = subprocess.run(["apt-get", "indextargets", *options], capture_output=True, text=True, check=False)
    if not asked.stdout.strip():
        raise NoBareMachine(f"apt here has no source of {codename or 'a Debian release'}: {asked.stderr}")
    return asked.stdout.split()[0]


def copy(source: Path, target: Path) -> None:
    """Copies a file or a folder, if it is there, into what there is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True, ignore_dangling_symlinks=True)
    elif source.exists():
        shutil.copy(source, target)


def inside(root: Path, *lines: str) -> None:
    """Runs lines of shell in the root as root, and raises CalledProcessError at the first that fails."""
    for line in lines:
        subprocess.run(["chroot", str(root), "/bin/sh", "-c", line], check=True, env={"PATH": "/usr/sbin:/usr/bin"})


def mount(root: Path, environment: Mapping[str, str]) -> None:
    """Mounts what a machine has and a folder has not, in a mount namespace of our own: it goes when that goes."""
    subprocess.run(["mount", "--bind", str(root), str(root)], check=True)
    for kind, place, options in (
        ("proc", "proc", "nosuid"),
        ("sysfs", "sys", "ro"),
        ("tmpfs", "dev/shm", "mode=1777"),
        ("devpts", "dev/pts", "gid=5,ptmxmode=666"),
    ):
        subprocess.run(["mount", "-t", kind, "-o", options, kind, str(root / place)], check=True)
    for path in sorted(set(named_folders(environment))):
        target = root / path.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", "-o", "ro", str(path), str(target)], check=True)


def named_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    """Folders of packages that pip and uv are told of, with their neighbours: an index's pages point to those."""
    texts = list(handed_on(environment).values())
    for path in [*map(Path, SETTINGS), *(Path.home() / name for name in SETTINGS_AT_HOME)]:
        texts += [file.read_text() for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    for name in (match for text in texts for match in _PATH.findall(text)):
        path = Path(name)
        if path.is_dir() and path.parts[1] not in ("etc", "usr"):
            yield path if path.parent.parent == Path("/") else path.parent


def named_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Certificates that the environment names, whoever made them."""
    for value in handed_on(environment).values():
        if value.startswith("/") and Path(value).is_file():
            yield Path(value)
