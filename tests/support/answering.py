"""A small HTTP server that answers by a script, and what an Airflow answers of a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Status and body; None: the connection stays open without a word. In a list each is given once, the last for ever.
Answer = tuple[int, Any] | None
Script = Mapping[str, Answer | list[Answer] | Callable[[str, str], Answer]]


class Recorder:
    """An HTTP server on loopback: `script` has the answer by the path's end, or by what is in it; `asked` has all."""

    def __init__(self, script: Script) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.ended = threading.Event()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                recorder.asked.append((self.command, self.path, json.loads(body or b"null")))
                path = self.path.split("?")[0]
                found = next(script[end] for end in script if path.endswith(end))
                if callable(found):
                    found = found(self.command, self.path)
                elif isinstance(found, list):
                    found = found.pop(0) if len(found) > 1 else found[0]
                if found is None:
                    recorder.ended.wait()
                    return
                content = json.dumps(found[1]).encode()
                self.send_response_only(found[0])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@contextmanager
def answering(script: Script) -> Iterator[Recorder]:
    """A server that answers by the script, for as long as the block runs."""
    recorder = Recorder(script)
    threading.Thread(target=recorder.server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield recorder
    finally:
        recorder.ended.set()
        recorder.server.shutdown()
        recorder.server.server_close()


def run_of(run_id: str, state: str) -> dict[str, Answer]:
    """What an Airflow answers of a run in this state, with a task at work."""
    task = {"task_id": "it", "map_index": -1, "state": "running", "try_number": 1}
    return {
        "/auth/token": (201, {"access_token": "token-not-real"}),
        f"/dagRuns/{run_id}": (200, {"state": state, "run_after": "2026-11-22T00:00:00Z"}),
        "/taskInstances": (200, {"task_instances": [task], "total_entries": 1}),
    }
