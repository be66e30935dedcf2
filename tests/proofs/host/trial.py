"""A host under a prefix: a release is unpacked and installed there by its own installer, and its units run for real.

Beside it stand what is not on the host: the account's AWS, of which the host's processes get the session of the
Airflow role, as an instance profile would give it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.host import env_file
from infra.host.layout import Layout
from infra.package.release import Release
from tests.proofs.host.units import Units
from tests.support.ministack import PROJECT_ROOT, REGION

HELPER = Path(__file__).with_name("units.py")
CANDIDATES = ("python3.12", "python3.11", "python3.13", "python3")


@dataclass(frozen=True)
class Who:
    """Who Airflow runs as in a trial: an account of its own where that can start a Python, else ourselves."""

    user: str
    python: str

    @classmethod
    def here(cls, user: str) -> Who:
        """The account named `user`, which the installer makes, if we are root and it could run a Python of here."""
        if os.geteuid() == 0:
            for folder in ("/usr/bin", "/usr/local/bin"):
                for name in CANDIDATES:
                    if (Path(folder) / name).exists() and _has_venv(f"{folder}/{name}"):
                        return cls(user, f"{folder}/{name}")
        return cls("root" if os.geteuid() == 0 else user, sys.executable)


def _has_venv(python: str) -> bool:
    """Whether nobody may run it, it is new enough, and can make environments."""
    check = "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    done = subprocess.run([python, "-c", check], user="nobody", cwd="/", capture_output=True)
    return done.returncode == 0


class TrialHost:
    """A host of the test's own; its folder is below /tmp, where other accounts may enter."""

    def __init__(self, who: Who) -> None:
        self.who = who
        self.folder = Path(tempfile.mkdtemp(prefix="listings-host-")).resolve()
        self.folder.chmod(0o755)
        self.layout = Layout(self.folder / "root")
        self.units = Units(self.folder / "trial")
        for folder in (self.layout.configuration, self.layout.releases, self.units.folder, self.folder / "bin"):
            folder.mkdir(parents=True)
        (self.units.folder / "units").write_text(str(self.layout.units))
        self.extra({})
        for program in ("systemctl", "journalctl"):
            script = self.folder / "bin" / program
            script.write_text(
                f'#!/bin/sh\nPYTHONPATH="{PROJECT_ROOT}" exec "{sys.executable}" -B "{HELPER}" {program} "$@"\n'
            )
            script.chmod(0o755)

    def settings(self, settings: Mapping[str, str]) -> None:
        """What the deploy puts beside the release: settings.env."""
        self.layout.settings.write_text(env_file.render(settings))

    def extra(self, variables: Mapping[str, str]) -> None:
        """Variables that every process here gets and no file of the host names."""
        path = self.units.folder / "extra.env"
        path.touch(0o600)
        path.write_text(env_file.render(variables))

    def unpack(self, release: Release) -> Path:
        """Does what the host does with a bundle that it has fetched."""
        folder = self.layout.releases / release.name
        unpack(release.path, folder)
        return folder

    def install(self, folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
        """Runs the installer of an unpacked release to its end."""
        return subprocess.run(
            [str(folder / "infra" / "host" / "install.sh")],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("LISTINGS_")},
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "LISTINGS_TRIAL": str(self.units.folder),
                "LISTINGS_PREFIX": str(self.layout.prefix),
                "LISTINGS_USER": self.who.user,
                "LISTINGS_PYTHON": self.who.python,
                # What this machine has downloaded for its own environments serves the trial's as well.
                "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
                **options,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """Stops what runs here, and removes folder and account."""
        self.units.stop_all()
        shutil.rmtree(self.folder)
        if self.who.user not in ("root", "") and os.geteuid() == 0:
            subprocess.run(["userdel", self.who.user], check=False, capture_output=True)


def unpack(bundle: Path, folder: Path) -> None:
    """Unpacks a release into a folder, made if absent, by the host's own means.

    Not by Python's: the `filter` that is right there came with 3.11.4, and Debian 12 has 3.11.2.
    """
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["tar", "--extract", "--gzip", "--no-same-owner", "--file", str(bundle), "--directory", str(folder)], check=True
    )


def aws_of_the_host(endpoint: str, session: Mapping[str, str]) -> dict[str, str]:
    """What gives a process the identity of the instance, on the stand-in at `endpoint`."""
    return {
        # Both: without the second, AssumeRole would go to the internet.
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
