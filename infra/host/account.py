"""Knows who Airflow runs as: a system account of its own, or whoever installs when that is not root."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "airflow"
NO_SHELL = ("/sbin/nologin", "/usr/sbin/nologin", "/bin/false")


@dataclass(frozen=True)
class Account:
    """The account of Airflow's processes; `other` says whether it is another one than ours."""

    user: str
    group: str
    uid: int
    gid: int
    other: bool

    @classmethod
    def ensure(cls, name: str, home: Path) -> Account:
        """The account of this name, made if there is none; not root: our own, whatever the name."""
        if os.geteuid() != 0:
            return cls._of(pwd.getpwuid(os.geteuid()), other=False)
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            shell = next((shell for shell in NO_SHELL if Path(shell).exists()), NO_SHELL[-1])
            command = ["useradd", "--system", "--user-group", "--no-create-home"]
            subprocess.run([*command, "--home-dir", str(home), "--shell", shell, name], check=True)
            found = pwd.getpwnam(name)
        return cls._of(found, other=found.pw_uid != os.geteuid())

    @classmethod
    def _of(cls, entry: pwd.struct_passwd, *, other: bool) -> Account:
        group = grp.getgrgid(entry.pw_gid).gr_name
        return cls(entry.pw_name, group, entry.pw_uid, entry.pw_gid, other)

    def own(self, path: Path) -> None:
        """Gives a file or folder to the account."""
        if self.other:
            os.chown(path, self.uid, self.gid)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as the account to its end, with this environment alone, keeping all that it says."""
        return subprocess.run(
            command,
            env=dict(environment),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=self.uid if self.other else None,
            group=self.gid if self.other else None,
            extra_groups=[] if self.other else None,
            umask=0o077,
        )
