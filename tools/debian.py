"""Debian's packages, brought by apt-get where this is Debian and we are root."""

import os
import shutil
import subprocess
from pathlib import Path


def may_install() -> bool:
    """Whether this is Debian, or what descends from it, and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def install(packages: list[str]) -> None:
    """Installs packages, with newer lists where the first attempt fails; whether it worked is the caller's to see."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *packages]
    if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        subprocess.call(["apt-get", "update", "-qq"], env=environment)
        subprocess.call(command, env=environment, stdout=subprocess.DEVNULL)
