"""The folder that holds everything of a stack at run time, and the secrets that are generated into it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local import machine

ROOT = Path(__file__).resolve().parents[2]
# sockaddr_un takes 108 bytes on Linux, 104 on macOS, with the closing zero. supervisord first binds a
# neighbour of the socket whose name has the process id at its end.
LONGEST_SOCKET_PATH = 90


class HomeError(RuntimeError):
    """The home of the stack cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Home:
    """The paths of a stack. `path` is absolute: it is also the mark that the stack's processes carry."""

    path: Path

    @classmethod
    def at(cls, path: Path | str | None) -> Home:
        """The home at `path`, at $LISTINGS_HOME, or at .local in the project; HomeError where none can be."""
        home = machine.home_at(path) if path else machine.chosen_home()
        if found := machine.misplaced(home):
            raise HomeError(found)
        return cls(home)

    @property
    def run(self) -> Path:
        """What exists only while the stack runs: launchers, configuration, socket, process ids."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """The logs, each kept small by rotation."""
        return self.path / "logs"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.path / "airflow"

    @property
    def secrets_file(self) -> Path:
        """The generated passwords and keys, readable by their owner only."""
        return self.path / machine.MARK

    @property
    def airflow_env_file(self) -> Path:
        """The environment of Airflow as shell assignments, for a person who wants to run its commands."""
        return self.path / "airflow.env"

    @property
    def state_file(self) -> Path:
        """What the last `up` came to: the ports and outputs; absent while an `up` is half done."""
        return self.run / "state.json"

    @property
    def sessions_file(self) -> Path:
        """The sessions that this stack's supervisors began, see `sessions`."""
        return self.run / "sessions.jsonl"

    @property
    def supervisor_config(self) -> Path:
        """The generated configuration of supervisord."""
        return self.run / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens: in the home, or in a private folder under /tmp if the path is too long."""
        inside = self.run / "supervisor.sock"
        return inside if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH else self._short_folder / "supervisor.sock"

    @property
    def _short_folder(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(os.sep, "tmp", f"listings-{os.getuid()}-{digest}")

    def prepare(self) -> None:
        """Makes the secrets, which mark the home as a stack's, and the folders; HomeError when it cannot be used."""
        try:
            # PostgreSQL runs as another user when we are root: it must get through to its own folder.
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.secrets()
            self.run.mkdir(mode=0o700, exist_ok=True)
            for folder in (self.logs, self.airflow):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise HomeError(f"{self.path} cannot hold the stack: {error}. Set LISTINGS_HOME to a folder.") from error
        socket_folder = self.supervisor_socket.parent
        if socket_folder != self.run:
            socket_folder.mkdir(mode=0o700, exist_ok=True)
            found = socket_folder.lstat()
            private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
            if not private:
                raise HomeError(f"{socket_folder} is not ours alone. Remove it, or set a shorter LISTINGS_HOME.")

    def clear_run(self) -> None:
        """Removes what exists only while the stack runs; nothing where no stack has been."""
        if not machine.is_a_home(self.path):
            return
        shutil.rmtree(self.run, ignore_errors=True)
        if self.supervisor_socket.parent != self.run:
            shutil.rmtree(self.supervisor_socket.parent, ignore_errors=True)

    def since(self) -> str:
        """When the stack in this home first came up, ISO 8601: its schedules begin then."""
        note = self.path / "since"
        if not note.exists():
            write_private(note, datetime.now(UTC).isoformat(timespec="seconds") + "\n")
        return note.read_text(encoding="utf-8").strip()

    def secrets(self) -> dict[str, str]:
        """The generated secrets; makes those that are not there yet. Raises HomeError for an unreadable file."""
        known: dict[str, str] = {}
        if self.secrets_file.exists():
            try:
                known = json.loads(self.secrets_file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise HomeError(
                    f"{self.secrets_file} is not JSON ({error}). The databases know its passwords: restore it, "
                    f"or remove {self.path} and start from nothing."
                ) from error
        missing = {name: make() for name, make in _MAKERS.items() if name not in known}
        if missing:
            write_private(self.secrets_file, json.dumps(known | missing, indent=2) + "\n")
        return known | missing


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces a file in one step by one that only its owner can read."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _password() -> str:
    # Letters and digits only: it stands in URLs, command lines and shell files.
    return secrets.token_hex(20)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


_MAKERS = {
    "postgres_admin": _password,
    "airflow": _password,
    "loader": _password,
    "reader": _password,
    "ui_password": lambda: secrets.token_hex(6),
    "fernet_key": _fernet_key,
    "api_secret_key": _password,
    "jwt_secret": lambda: secrets.token_hex(48),
    "listing_api_key": _password,
}
