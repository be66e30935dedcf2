"""How root runs a program that refuses root: as an account that may do nothing, or as one in a namespace of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Unprivileged:
    """Who runs a program. `account` None: whoever we are. `namespace`: root, who looks like `account` to itself."""

    account: pwd.struct_passwd | None = None
    namespace: bool = False

    @classmethod
    def through(cls, *paths: Path) -> Unprivileged:
        """Somebody who may enter every folder above `paths`.

        The namespace is for a checkout below a folder that is root's alone, such as /root: there root enters as
        itself. SystemExit names the folder when there are no namespaces either.
        """
        if os.geteuid() != 0:
            return cls()
        account = _account()
        closed = _closed_folder(account, paths)
        if closed is None:
            return cls(account)
        inside = cls(account, namespace=True)
        if shutil.which("unshare") and subprocess.run(inside.command(["true"]), capture_output=True).returncode == 0:
            return inside
        raise SystemExit(
            f"PostgreSQL runs as {account.pw_name} (not as root), who may not enter {closed}: "
            f"either chmod o+x {closed}, or keep the project and LISTINGS_HOME elsewhere, or don't run it as root"
        )

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The arguments with what they need in front."""
        if not (self.namespace and self.account):
            return list(arguments)
        ids = (f"--map-user={self.account.pw_uid}", f"--map-group={self.account.pw_gid}")
        return ["unshare", "--user", *ids, "--", *arguments]

    def own(self, path: Path) -> None:
        """Gives `path` to whoever runs the program."""
        if self.account and not self.namespace:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end, keeping what it says."""
        who: dict[str, Any] = {}
        if self.account and not self.namespace:
            who = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return subprocess.run(self.command(arguments), capture_output=True, text=True, cwd="/", **who)

    def become(self, arguments: Sequence[str]) -> NoReturn:
        """Becomes the program: this process id is its."""
        os.chdir("/")
        if self.account and not self.namespace:
            os.setgroups([])
            os.setgid(self.account.pw_gid)
            os.setuid(self.account.pw_uid)
        command = self.command(arguments)
        os.execvp(command[0], command)  # noqa: S606 - the supervisor's child must be the program itself


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise SystemExit("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")


def _closed_folder(account: pwd.struct_passwd, paths: Sequence[Path]) -> Path | None:
    """The first folder above the paths that the account may not enter."""
    test = shutil.which("test", path="/usr/bin:/bin") or "test"
    for folder in dict.fromkeys(folder for path in paths for folder in reversed(path.parents)):
        if not folder.exists():
            continue  # whoever makes it lets the account in
        if Unprivileged(account).run([test, "-x", str(folder)]).returncode != 0:
            return folder
    return None
