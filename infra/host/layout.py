"""Knows where everything lies on the host, and how a file gets there whole and readable by the right people only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of a host below `prefix`, which is / but for a trial run."""

    prefix: Path = Path("/")

    @property
    def application(self) -> Path:
        """Releases, and the links that say which of them runs."""
        return self.prefix / "opt" / "listings"

    @property
    def releases(self) -> Path:
        """A folder per release."""
        return self.application / "releases"

    @property
    def current(self) -> Path:
        """Link to the release that runs."""
        return self.application / "current"

    @property
    def previous(self) -> Path:
        """Link to the release that ran before it."""
        return self.application / "previous"

    @property
    def configuration(self) -> Path:
        """What this host is told and what it made for itself."""
        return self.prefix / "etc" / "listings"

    @property
    def settings(self) -> Path:
        """What the deploy says about its resources; no secrets."""
        return self.configuration / "settings.env"

    @property
    def host_env(self) -> Path:
        """What the installer says about this host."""
        return self.configuration / "host.env"

    @property
    def local(self) -> Path:
        """What a person says for this host alone, before all that the deploy says; there need be none."""
        return self.configuration / "local.env"

    @property
    def secrets(self) -> Path:
        """Keys of this host's own Airflow, and its database."""
        return self.configuration / "secrets.env"

    @property
    def since(self) -> Path:
        """The moment of the first installation, when schedules begin."""
        return self.configuration / "since"

    @property
    def certificate(self) -> Path:
        """The certificate of the pages and the API."""
        return self.configuration / "tls-certificate.pem"

    @property
    def certificate_key(self) -> Path:
        """Its key, for the airflow account."""
        return self.configuration / "tls-key.pem"

    @property
    def kept(self) -> Path:
        """Copies of the configuration with which a release last came up."""
        return self.configuration / "kept"

    @property
    def state(self) -> Path:
        """AIRFLOW_HOME, the one folder that Airflow's processes may write in."""
        return self.prefix / "var" / "lib" / "airflow"

    @property
    def passwords(self) -> Path:
        """Where Airflow's simple login reads the passwords of its users."""
        return self.state / "passwords.json"

    @property
    def cache(self) -> Path:
        """What was downloaded for releases: a folder for each set of requirements."""
        return self.prefix / "var" / "cache" / "listings"

    @property
    def units(self) -> Path:
        """Where systemd looks for units of the administrator's."""
        return self.prefix / "etc" / "systemd" / "system"

    @property
    def tmpfiles(self) -> Path:
        """What systemd-tmpfiles clears away."""
        return self.prefix / "etc" / "tmpfiles.d" / "listings.conf"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces a file in one step; it never exists with another mode than `mode`."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)  # whatever the umask took away
        file.write(text)
    new.replace(path)


def link(path: Path, target: Path) -> None:
    """Makes `path` a link to `target` in one step."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)
