"""Knows the order in which a release gets onto the host, and the way back when it does not come up.

Until the new release is known to be whole (environment built, DAG files parsed) nothing that runs is touched. Then
Airflow is stopped, its database migrated, the link moved and Airflow started; it must be healthy within the patience,
or the release before it gets everything back: link, units, settings, and the database's schema.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.host import database, env_file, health, host_environment, own_secrets
from infra.host.account import NAME, Account
from infra.host.layout import Layout, link, write
from infra.host.release_tools import Commands, InstallError, build_environment
from infra.host.services import AIRFLOW, API_SERVER, HEALTH_TIMER, ServiceError, Systemd, install_units

# A unit that comes back more often than this after it was started will not stay.
MOST_RESTARTS = 2
API_POOL = "zillow_api"
_FAULTS = (InstallError, ServiceError, subprocess.SubprocessError, OSError, ValueError, KeyError)
OWN_RELEASE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """What a trial run may change, each by the environment variable LISTINGS_<NAME>.

    `database_url` is that of a PostgreSQL that is there already; empty: one on this host is set up.
    """

    prefix: Path = Path("/")
    user: str = NAME
    database_url: str = ""
    patience: float = 300.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Options:
        """The options in `environment`."""
        return cls(
            Path(environment.get("LISTINGS_PREFIX", "/")).resolve(),
            environment.get("LISTINGS_USER", NAME),
            environment.get("LISTINGS_DATABASE_URL", ""),
            float(environment.get("LISTINGS_PATIENCE", "300")),
        )


def say(line: str) -> None:
    """Tells who installs of a step."""
    print(f"install: {line}", flush=True)


class Host:
    """This host, with the release that is to be installed and the one that runs, if any."""

    def __init__(self, release: Path, options: Options) -> None:
        self.release, self.options = release, options
        self.layout = Layout(options.prefix)
        self.systemd = Systemd(self.layout.units)
        self.before = self.layout.current.resolve() if self.layout.current.exists() else None
        self.account = Account.ensure(options.user, self.layout.state)

    def install(self) -> None:
        """Installs the release and starts it. Raises InstallError; what ran before then runs again."""
        try:
            self._prepare()
            commands, environment = self._commands()
            say("reading its DAG files")
            commands.require_parsed_dags()
            revision = commands.revision()
        except _FAULTS as error:
            self._restore_configuration()
            self._forget()
            raise InstallError(f"{self.release.name} was not installed: {_words(error)}") from error
        try:
            self._switch(commands, environment)
        except _FAULTS as error:
            outcome = self._back(commands, revision)
            self._forget()
            raise InstallError(f"{self.release.name} did not come up: {_words(error)}\n{outcome}") from error
        self._settle()

    def _prepare(self) -> None:
        """All that can be done while the release before still runs."""
        layout = self.layout
        for folder in (layout.releases, layout.configuration, layout.kept, layout.state, layout.units):
            folder.mkdir(parents=True, exist_ok=True)
        self.account.own(layout.state)
        layout.state.chmod(0o750)
        say("building its environment")
        build_environment(self.release)
        own_secrets.make_keys(layout, self._database_url())
        own_secrets.make_password(layout, self.account)
        names = host_environment.names_of_host(env_file.read(layout.settings))
        own_secrets.make_certificate(layout, self.account, names)

    def _database_url(self) -> str:
        """Where the metadata is: as told, as it was told before, or in a PostgreSQL of this host's own."""
        known = env_file.read(self.layout.secrets) if self.layout.secrets.exists() else {}
        url = self.options.database_url or known.get(own_secrets.DATABASE_URL, database.URL)
        return database.prepare(self.systemd) if url == database.URL else url

    def _commands(self) -> tuple[Commands, dict[str, str]]:
        """The release's commands, and the variables for host.env."""
        layout, settings = self.layout, env_file.read(self.layout.settings)
        names = host_environment.names_of_host(settings)
        ours = host_environment.host_environment(layout, settings, host_environment.since(layout), names[0])
        static = env_file.read(self.release / "infra" / "host" / "airflow.env")
        whole = {**static, **ours, **settings, **env_file.read(layout.secrets)}
        return Commands(self.release, layout, self.account, whole), ours

    def _switch(self, commands: Commands, environment: Mapping[str, str]) -> None:
        """Stops what runs and starts the release instead; returns when it is healthy."""
        say("stopping Airflow; tasks at work get the time to end")
        self._stop()
        say("migrating the database")
        commands.migrate()
        slots = commands.environment["LISTINGS_API_SLOTS"]
        commands.set_pool(API_POOL, slots, "Tasks that may ask the listing API at the same time")
        write(self.layout.host_env, env_file.render(environment))
        self._start(self.release)

    def _start(self, release: Path) -> None:
        install_units(release, self.layout, self.account)
        link(self.layout.current, release)
        self.systemd.reload()
        self.systemd.enable(*AIRFLOW, HEALTH_TIMER)
        say(f"starting {release.name}")
        since = datetime.now(UTC)
        self.systemd.start(*AIRFLOW)
        try:
            self._wait_until_healthy(since)
        finally:  # whatever came of it, what runs is looked after
            self.systemd.start(HEALTH_TIMER)

    def _stop(self) -> None:
        for unit in (HEALTH_TIMER, *reversed(AIRFLOW)):
            if (self.layout.units / unit).exists():
                self.systemd.stop(unit)

    def _wait_until_healthy(self, since: datetime) -> None:
        """Returns when all have reported after `since`.

        Raises InstallError when one keeps ending, or when the patience is over, with who it is and its last words.
        """
        environment = env_file.read(self.layout.host_env)
        # Beyond what there is: the count of a unit that was stopped while it waited for its next try goes on.
        most = {unit: self.systemd.restarts(unit) + MOST_RESTARTS for unit in AIRFLOW}
        certificate, port = self.layout.certificate, environment["AIRFLOW__API__PORT"]
        deadline = time.monotonic() + self.options.patience
        while missing := _missing(lambda: health.ask(port, certificate, 5), since):
            ending = {unit: "it keeps ending" for unit in AIRFLOW if self.systemd.restarts(unit) > most[unit]}
            if ending or time.monotonic() > deadline:
                unit, reason = next(iter((ending or missing).items()))
                raise InstallError(f"{unit}: {reason}. Its last words:\n{self.systemd.last_words(unit)}")
            time.sleep(1)

    def _back(self, commands: Commands, revision: str) -> str:
        """Gives everything back to the release before; what came of it, in a sentence."""
        if self.before is None:
            self._stop()
            return "Nothing ran before. Airflow is stopped."
        say(f"going back to {self.before.name}")
        try:
            self._stop()
            if revision and commands.revision() != revision:
                commands.downgrade(revision)
            self._restore_configuration()
            self._start(self.before)
        except _FAULTS as error:
            return f"Nor does {self.before.name} come up again: {_words(error)}"
        return f"{self.before.name} runs again."

    def _restore_configuration(self) -> None:
        """Settings and host.env as they were when a release last came up; a first installation has none."""
        for path in (self.layout.settings, self.layout.host_env):
            if (kept := self.layout.kept / path.name).exists():
                shutil.copy2(kept, path)

    def _forget(self) -> None:
        """Removes a release that failed; not the one that runs, nor the first, which a person may want to look at."""
        if self.before not in (None, self.release) and self.layout.current.resolve() != self.release:
            shutil.rmtree(self.release, ignore_errors=True)

    def _settle(self) -> None:
        """The release is up: it is what a later one falls back to, and what is older goes."""
        layout = self.layout
        for path in (layout.settings, layout.host_env):
            shutil.copy2(path, layout.kept / path.name)
        if self.before not in (None, self.release):
            assert self.before is not None
            link(layout.previous, self.before)
        wanted = {each.resolve() for each in (layout.current, layout.previous) if each.exists()}
        for release in layout.releases.iterdir():
            if release.resolve() not in wanted:
                say(f"removing {release.name}")
                shutil.rmtree(release)
        say(f"{self.release.name} is up")


def _missing(ask: Callable[[], Mapping[str, object]], since: datetime) -> dict[str, str]:
    """Units that are ill, or that have not reported since then: an earlier start's heartbeat still counts as well."""
    try:
        answer = ask()
    except OSError as error:
        return {API_SERVER: f"it does not answer ({error})"}
    return health.ill(answer) or health.unheard(answer, since)


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is not in settings.env"
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    return f"{error}: {said.strip()}" if said else str(error)


def main() -> int:
    """Installs the release that this file belongs to; 1 with the reason when it does not come up."""
    options = Options.read(os.environ)
    layout = Layout(options.prefix)
    layout.application.mkdir(parents=True, exist_ok=True)
    with (layout.application / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an earlier installation is waited for
        try:
            Host(OWN_RELEASE, options).install()
        except InstallError as error:
            print(f"install: {error}", file=sys.stderr, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
