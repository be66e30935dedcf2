"""How much of an answer is read and for how long, over real sockets, whatever the server sends."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from include.extract import bounded_answers
from include.extract.retries import PASSING_ERRORS
from tests.support.loopback import Answer, ScriptedServer

LIMIT = 10_000


def ask(url: str, seconds: float = 5.0, timeout: float = 2.0, **more: Any) -> requests.Response:
    """One GET through the adapter, reading LIMIT bytes of a page."""
    with requests.Session() as session:
        session.mount("http://", bounded_answers.BoundedAdapter(LIMIT, seconds, **more))
        return session.get(url, timeout=timeout)


def served(*answers: Answer) -> tuple[bytes, str | None]:
    """What is read of the first answer, and its size in words if it is too big."""
    with ScriptedServer(answers) as server:
        found = ask(server.url)
        return found.content, bounded_answers.too_big(found, LIMIT)


@contextmanager
def raw_server(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what `speak` sends to each connection; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    try:
                        speak(connection)
                    except OSError:
                        continue  # the client has had enough

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_page_within_the_bound_is_read_whole() -> None:
    """A body of exactly the limit is read to its last byte and fits, plain or packed."""
    body = bytes(range(250)) * 40

    assert (body, None) == served(Answer(200, body))
    assert (body, None) == served(Answer(200, gzip.compress(body), {"Content-Encoding": "gzip"}))


def test_one_byte_more_is_too_much() -> None:
    """What an honest server announces is told as its size, in bytes."""
    _, words = served(Answer(200, b"x" * (LIMIT + 1)))

    assert "10001 bytes are announced" == words


def test_a_gzip_that_unpacks_to_more_is_cut() -> None:
    """A small gzip of a great page is read one byte past the limit, and said to be more."""
    body, words = served(Answer(200, gzip.compress(b" " * 5_000_000), {"Content-Encoding": "gzip"}))

    assert (LIMIT + 1, "more than 10000 bytes came") == (len(body), words)


def test_an_announced_size_is_not_waited_for() -> None:
    """Of a page that is announced too big, no more is read than of an error."""
    body, words = served(Answer(200, b"x" * 3_000_000))

    assert (bounded_answers.ERROR_BYTES + 1, "3000000 bytes are announced") == (len(body), words)


@pytest.mark.parametrize("status", [404, 429, 500, 302])
def test_an_error_is_read_up_to_its_own_bound(status: int) -> None:
    """Whatever is no page is cut after a megabyte, and its status is what counts."""
    body, _ = served(Answer(status, b"x" * 3_000_000))

    assert bounded_answers.ERROR_BYTES + 1 == len(body)


def _drip(connection: socket.socket, head: bytes, each: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    while True:
        connection.sendall(each)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("head", "each"),
    [
        (b"Content-Length: 9999\r\n", b"x"),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"),
        (b"", b"x"),
    ],
    ids=["announced", "chunked", "until it closes"],
)
def test_a_body_that_drips_for_ever_ends(head: bytes, each: bytes) -> None:
    """A byte now and then keeps every read alive; the answer ends all the same, as an error that may pass."""
    with raw_server(lambda connection: _drip(connection, head, each)) as url:
        begun = time.monotonic()
        with pytest.raises(requests.ReadTimeout, match=r"did not end within 0\.5 s") as raised:
            ask(url, seconds=0.5)
    assert isinstance(raised.value, PASSING_ERRORS)
    assert 0.5 <= time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nx-left: 4", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["nothing", "a status", "half a header", "to be continued"],
)
def test_headers_that_drip_for_ever_end(begun: bytes) -> None:
    """The time runs from the request: a header that never ends is given up like a body, and nothing of it is heard."""
    heard: list[requests.Response] = []

    def drip(connection: socket.socket) -> None:
        connection.sendall(begun)
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)

    with raw_server(drip) as url:
        started = time.monotonic()
        with pytest.raises(requests.ReadTimeout, match=r"did not end within 0\.5 s"):
            ask(url, seconds=0.5, answered=heard.append)
    assert 0.5 <= time.monotonic() - started < 2
    assert [] == heard


def test_headers_and_body_share_one_time() -> None:
    """Headers that take most of the time leave the rest of it to the body."""

    def late(connection: socket.socket) -> None:
        time.sleep(1.2)
        _drip(connection, b"Content-Length: 9999\r\n", b"x")

    with raw_server(late) as url:
        started = time.monotonic()
        with pytest.raises(requests.ReadTimeout, match="did not end"):
            ask(url, seconds=1.5)
    # With a time for each it would be 2.7 s.
    assert 1.5 <= time.monotonic() - started < 2.5


def test_an_odd_announced_size_is_too_big() -> None:
    """A length of five thousand digits is refused in words, and not turned into a number."""
    answer = requests.Response()
    answer.headers["Content-Length"] = "9" * 5000

    assert "a number of bytes with 5000 digits is announced" == bounded_answers.too_big(answer, LIMIT)


def test_a_gzip_that_never_begins_ends() -> None:
    """A gzip whose file name goes on for ever unpacks to nothing; reading it ends in time."""

    def endless_name(connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        connection.sendall(head + b"\x1f\x8b\x08\x08\0\0\0\0\0\x03")
        while True:
            connection.sendall(b"n")
            time.sleep(0.05)

    with raw_server(endless_name) as url, pytest.raises(requests.ReadTimeout, match="did not end"):
        ask(url, seconds=0.5)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\nhalf",
        b"HTTP/1",
        b"",
    ],
    ids=["cut", "cut in a chunk", "cut between chunks", "no gzip", "cut, too big", "cut in the status", "nothing"],
)
def test_what_breaks_off_is_an_error_that_may_pass(said: bytes) -> None:
    """A body cut off or garbled raises what is tried again: half a page is never a page."""
    with raw_server(lambda connection: connection.sendall(said)) as url, pytest.raises(PASSING_ERRORS):
        ask(url)


def test_silence_is_a_time_out_that_may_pass() -> None:
    """A server that stops in the middle of a body is given up as before, after the time without a byte."""

    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        time.sleep(1)

    with raw_server(stall) as url, pytest.raises(PASSING_ERRORS, match="timed out"):
        ask(url, timeout=0.2)


def test_a_request_that_is_not_permitted_does_not_go_out() -> None:
    """What is asked for leave may refuse, and nobody hears of the request."""

    def refuse() -> None:
        raise LookupError("none left")

    with ScriptedServer([Answer()]) as server:
        with pytest.raises(LookupError):
            ask(server.url, permit=refuse)
        assert [] == server.asked


def test_an_answer_is_told_by_its_headers_even_if_its_body_breaks() -> None:
    """The headers of a page that is cut off are heard: they may be the last ones."""
    heard: list[str] = []
    with ScriptedServer([Answer(200, b"x" * 100, {"x-left": "7"}, cut=True)]) as server, pytest.raises(PASSING_ERRORS):
        ask(server.url, answered=lambda answer: heard.append(answer.headers["x-left"]))

    assert ["7"] == heard


def test_a_stored_body_is_let_go() -> None:
    """After a page is stored its answer holds no bytes."""
    with ScriptedServer([Answer(200, b"x" * 100)]) as server:
        found = ask(server.url)
    bounded_answers.forget(found)

    assert b"" == found.content
