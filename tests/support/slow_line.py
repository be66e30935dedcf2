"""Knows how to be a line to MiniStack on which everything stops for as long as a test wants it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

import psutil


class SlowLine:
    """Hands bytes on between its own port on loopback and another, but only once it is `released`."""

    def __init__(self, port: int) -> None:
        self.released = threading.Event()
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def callers(self) -> list[psutil.Process]:
        """The processes that hold a connection to it at this moment."""
        ours = self._listener.getsockname()[1]
        lines = psutil.net_connections("tcp")
        pids = {line.pid for line in lines if line.raddr and line.raddr.port == ours and line.status == "ESTABLISHED"}
        return [psutil.Process(pid) for pid in pids if pid]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self.released.wait()
        far = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=_hand_on, args=(far, near), daemon=True).start()
        _hand_on(near, far)


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
