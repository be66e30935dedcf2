"""Knows the order in which a release gets onto the host, and the way back when it does not come up.

Until the new release is known to be whole (environment built, DAG files parsed) nothing that runs is touched. Then
Airflow is stopped, its database migrated, the link moved and Airflow started; it must be healthy within the patience,
or the release before it gets back what belongs to a release: link, units, host.env, and the database's schema.
settings.env belongs to the stack, whose functions and buckets are new already: it goes back only when the release
before does not come up with it.
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
from infra.host.release_tools import Commands, InstallError, build_environment, clear_caches
from infra.host.services import (
    AIRFLOW,
    API_SERVER,
    CLEAN,
    ServiceError,
    Systemd,
    install_units,
    timers,
    withdraw_units,
)

# A unit that comes back more often than this after it was started will not stay.
MOST_RESTARTS = 2
API_POOL = "zillow_api"
# What settings.env says of the release itself. No process reads it.
OWN_SETTING = "LISTINGS_RELEASE"
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
            outcome = self._stay()
            self._forget()
            raise InstallError(f"{self.release.name} was not installed: {_words(error)}\n{outcome}") from error
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
        build_environment(self.release, layout)
        own_secrets.make_keys(layout, self._database_url())
        own_secrets.make_password(layout, self.account)

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
        return self._commands_of(self.release, ours), ours

    def _commands_of(self, release: Path, ours: Mapping[str, str]) -> Commands:
        """The commands of a release with what its units would say, and `ours` for host.env."""
        layout, static = self.layout, env_file.read(release / "infra" / "host" / "airflow.env")
        others = [path for path in (layout.settings, layout.local, layout.secrets) if path.exists()]
        return Commands(release, layout, self.account, {**static, **ours, **env_file.read(*others)})

    def _switch(self, commands: Commands, environment: Mapping[str, str]) -> None:
        """Stops what runs and starts the release instead; returns when it is healthy."""
        say("stopping Airflow; tasks at work get the time to end")
        self._stop()
        # Not before: what ran knew its server by the certificate that it started with.
        names = host_environment.names_of_host(env_file.read(self.layout.settings))
        own_secrets.make_certificate(self.layout, self.account, names)
        say("migrating the database")
        commands.migrate()
        slots = commands.environment["LISTINGS_API_SLOTS"]
        commands.set_pool(API_POOL, slots, "Tasks that may ask the listing API at the same time")
        write(self.layout.host_env, env_file.render(environment))
        self._start(self.release)

    def _start(self, release: Path) -> None:
        other = self.before if release == self.release else self.release
        if other is not None:
            withdraw_units(other, release, self.systemd)
        install_units(release, self.layout, self.account)
        link(self.layout.current, release)
        self.systemd.reload()
        self.systemd.enable(*AIRFLOW, *timers(release))
        say(f"starting {release.name}")
        since = datetime.now(UTC)
        self.systemd.start(*AIRFLOW)
        try:
            self._wait_until_healthy(since)
        finally:  # whatever came of it, what runs is looked after
            self.systemd.start(*timers(release))

    def _stop(self) -> None:
        timed = sorted(path.name for path in self.layout.units.glob("listings-*.timer"))
        for unit in (*timed, CLEAN, *reversed(AIRFLOW)):
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

    def _stay(self) -> str:
        """What runs was not touched: it starts anew only where the stack now says something else; what came of it."""
        if self.before is None:
            return "Nothing ran before."
        if not self._told_anew():
            return f"{self.before.name} runs on."
        return self._back()

    def _back(self, commands: Commands | None = None, revision: str = "") -> str:
        """Gives the release before what is a release's, with the stack's settings; what came of it, in a sentence."""
        if self.before is None:
            self._stop()
            return "Nothing ran before. Airflow is stopped."
        say(f"going back to {self.before.name}")
        try:
            self._restore(self.layout.host_env)
            refusal = self._settings_refused() if self._told_anew() else ""
            if refusal and commands is None:
                return f"{self.before.name} runs on, with the settings of before, as {refusal}"
            self._stop()
            if commands and revision and commands.revision() != revision:
                commands.downgrade(revision)
            outcome = self._start_before(refusal)
        except _FAULTS as error:
            return f"Nor does {self.before.name} come up again: {_words(error)}"
        return outcome

    def _settings_refused(self) -> str:
        """Why the release before cannot read its DAG files with the stack's settings; they are then back already."""
        assert self.before is not None
        try:
            self._commands_of(self.before, env_file.read(self.layout.host_env)).require_parsed_dags()
        except _FAULTS as error:
            self._restore(self.layout.settings)
            return f"it does not read its DAG files with those of the stack: {_words(error)}"
        return ""

    def _start_before(self, refusal: str) -> str:
        """Starts the release before, if need be with the settings of before."""
        assert self.before is not None
        try:
            self._start(self.before)
        except _FAULTS as error:
            if not self._told_anew():
                raise
            refusal = f"it does not come up with those of the stack: {_words(error)}"
            self._restore(self.layout.settings)
            self._stop()
            self._start(self.before)
        if refusal:
            return f"{self.before.name} runs again, with the settings of before, as {refusal}"
        self._keep()
        return f"{self.before.name} runs again."

    def _told_anew(self) -> bool:
        """Whether settings.env says something else than what runs was told, apart from the release's name.

        It is the old one again when it cannot be used.
        """
        try:
            new = env_file.read(self.layout.settings)
            new[host_environment.REGION]
            old = env_file.read(self.layout.kept / self.layout.settings.name)
        except _FAULTS:
            self._restore(self.layout.settings)
            return False
        return {**new, OWN_SETTING: ""} != {**old, OWN_SETTING: ""}

    def _restore(self, path: Path) -> None:
        """A file of the configuration as it was when a release last came up; a first installation has none."""
        if (kept := self.layout.kept / path.name).exists():
            shutil.copy2(kept, path)

    def _keep(self) -> None:
        """With this configuration a release has come up."""
        for path in (self.layout.settings, self.layout.host_env):
            shutil.copy2(path, self.layout.kept / path.name)

    def _forget(self) -> None:
        """Removes a release that failed; not the one that runs, nor the first, which a person may want to look at."""
        if self.before not in (None, self.release) and self.layout.current.resolve() != self.release:
            shutil.rmtree(self.release, ignore_errors=True)

    def _settle(self) -> None:
        """The release is up: it is what a later one falls back to, and what is older goes."""
        layout = self.layout
        self._keep()
        if self.before not in (None, self.release):
            assert self.before is not None
            link(layout.previous, self.before)
        wanted = {each.resolve() for each in (layout.current, layout.previous) if each.exists()}
        for release in layout.releases.iterdir():
            if release.resolve() not in wanted:
                say(f"removing {release.name}")
                shutil.rmtree(release)
        clear_caches(self.release, layout)
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
