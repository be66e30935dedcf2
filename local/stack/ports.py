"""The ports of a stack, and who holds a port that should be free."""

from __future__ import annotations

import errno
import shlex
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields

import psutil

from local.stack.process_marks import home_of

LOOPBACK = "127.0.0.1"
PREFIX = "LISTINGS_PORT_"


class PortError(ValueError):
    """A port is not a port, is named twice, is not ours to open, or is held by a process that the message names."""


@dataclass(frozen=True)
class Ports:
    """Where each part of a stack listens, on 127.0.0.1 only."""

    ui: int = 8080
    ministack: int = 4566
    redshift: int = 5439
    postgres: int = 15432
    api: int = 8090

    def __post_init__(self) -> None:
        """Raises PortError unless these are different numbers from 1 to 65535."""
        seen: dict[int, str] = {}
        for name, port in asdict(self).items():
            if not 1 <= port <= 65535:
                raise PortError(f"{PREFIX}{name.upper()}={port}: expected a number from 1 to 65535")
            if port in seen:
                raise PortError(f"{PREFIX}{name.upper()} and {PREFIX}{seen[port].upper()} are both {port}")
            seen[port] = name

    def items(self) -> Iterator[tuple[str, int]]:
        """Name and number of each port."""
        return iter(asdict(self).items())


@dataclass(frozen=True)
class Holder:
    """A process that listens on a port; what the operating system does not tell us is None."""

    pid: int | None
    name: str
    command: str
    stack_home: str | None

    def __str__(self) -> str:
        """For a person who wants to know what to end."""
        if self.pid is None:
            return "a process of another user (its name is not visible to us)"
        text = f"process {self.pid} ({self.name}): {self.command}"
        return text + (f", of the stack in {self.stack_home}" if self.stack_home else "")

    def way_out(self) -> str:
        """How to end it: a stack of ours as a whole, which would only start its process again."""
        home = self.stack_home
        return f"end that stack: LISTINGS_HOME={shlex.quote(home)} make down" if home else "end that process"


def ports_from(environment: Mapping[str, str]) -> Ports:
    """The default ports with what LISTINGS_PORT_<NAME> changes; raises PortError for a value that is no port."""
    changed: dict[str, int] = {}
    for field in fields(Ports):
        text = environment.get(f"{PREFIX}{field.name.upper()}")
        if text is None:
            continue
        if not text.isdecimal():
            raise PortError(f"{PREFIX}{field.name.upper()}={text!r}: expected a number from 1 to 65535")
        changed[field.name] = int(text)
    return Ports(**changed)


def free_ports() -> Ports:
    """Ports that nobody listens on at this moment, for a stack beside another one."""
    probes = [socket.socket() for _ in fields(Ports)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))
    finally:
        for probe in probes:
            probe.close()


def require_free(ports: Ports) -> None:
    """Raises PortError that names every port that is not ours to open, and of one that is taken who holds it."""
    lines = [
        *(
            f"port {port} ({name}) is one that only root may open (below 1024 on most systems)\n"
            f"    choose a higher one: {PREFIX}{name.upper()}={Ports.__dataclass_fields__[name].default}"
            for name, port in ports.items()
            if _refusal(port) == errno.EACCES
        ),
        *(
            f"port {port} ({name}) is in use by {(holder := holder_of(port))}\n"
            f"    {holder.way_out()}, or choose another port: {PREFIX}{name.upper()}=..."
            for name, port in ports.items()
            if is_held(port)
        ),
    ]
    if lines:
        raise PortError("\n".join(lines))


def is_held(port: int) -> bool:
    """Whether a server that wants 127.0.0.1:port would be refused it because another has it."""
    return _refusal(port) not in (0, errno.EACCES)


def _refusal(port: int) -> int:
    """The errno with which a server that wants 127.0.0.1:port is refused it; 0 when it is not."""
    with socket.socket() as probe:
        # As servers do: connections that linger after a server's end do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return 0


def holder_of(port: int) -> Holder:
    """The process that listens on this port."""
    for pid, listening in listeners():
        if listening[1] == port and pid is not None:
            return _describe(pid)
    return Holder(None, "", "", None)


def listeners() -> Iterator[tuple[int | None, tuple[str, int]]]:
    """Process id and (address, port) of every TCP socket of this machine that listens and that we may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr:
                yield connection.pid, (connection.laddr.ip, connection.laddr.port)
    except psutil.AccessDenied:  # some systems show only one's own processes, one by one
        for process in psutil.process_iter():
            for address in _listening(process):
                yield process.pid, address


def _listening(process: psutil.Process) -> list[tuple[str, int]]:
    try:
        return [
            (each.laddr.ip, each.laddr.port)
            for each in process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr
        ]
    except psutil.Error:
        return []


def _describe(pid: int) -> Holder:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            command = " ".join(process.cmdline()).strip() or process.name()
            return Holder(pid, process.name(), command[:200], home_of(process))
    except psutil.Error:
        return Holder(pid, "unknown", "not visible to us", None)
