"""How the doctor asks a URL: of certificates, of answers that are none, and of keys that go nowhere else."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.doctor.airflow_health import look_at_airflow
from infra.doctor.finding import State
from infra.doctor.target import Target
from infra.doctor.web import ask

HEALTH = b"""{"metadatabase": {"status": "healthy"}, "scheduler": {"status": "%s"},
"dag_processor": {"status": "healthy"}, "triggerer": {"status": "healthy"}}"""


@contextlib.contextmanager
def saying(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine where everybody gets these bytes; what was asked is collected."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                speaking = context.wrap_socket(connection, server_side=True) if context else connection
                asked.append(speaking.recv(65536))
                speaking.sendall(answer)
                speaking.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked


def response(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    """An HTTP answer."""
    return b"HTTP/1.1 " + status + b"\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate that nobody has signed but itself, as the host makes one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "airflow")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize(("scheduler", "state"), [(b"healthy", State.OK), (b"unhealthy", State.MEND)])
def test_a_host_with_its_own_certificate_is_asked_for_its_health(
    own_certificate: ssl.SSLContext, scheduler: bytes, state: State
) -> None:
    """On AWS the page is asked over TLS with the certificate that the host made, and without any secret."""
    with saying(response(HEALTH % scheduler), own_certificate) as (port, asked):
        target = Target(stage="dev", region="eu-west-1", clients=None)
        target.__dict__["outputs"] = {"AirflowUrl": f"https://127.0.0.1:{port}", "AirflowInstanceId": "i-0"}
        found = look_at_airflow(target)
    assert state is found.state, found
    assert asked[0].startswith(b"GET /api/v2/monitor/health HTTP/1.1")
    assert b"authorization" not in asked[0].lower()


def test_elsewhere_a_certificate_must_be_signed(own_certificate: ssl.SSLContext) -> None:
    """The API, which is sent a key, must have a certificate that this machine trusts."""
    refused = pytest.raises(OSError, match="certificate verify failed")
    with saying(response(b"{}"), own_certificate) as (port, asked), refused:
        ask(f"https://127.0.0.1:{port}/", {"x-rapidapi-key": "0123456789"})
    assert not any(b"0123456789" in each for each in asked)


def test_a_key_is_not_sent_on() -> None:
    """A redirect is an answer and is not followed: the key in the header would go to another host."""
    with saying(response(b"")) as (elsewhere, asked_elsewhere):
        location = b"Location: http://127.0.0.1:%d/\r\n" % elsewhere
        with saying(response(b"", b"302 Found", location)) as (port, asked):
            answer = ask(f"http://127.0.0.1:{port}/", {"x-rapidapi-key": "0123456789"})
    assert 302 == answer.status
    assert (1, []) == (len(asked), asked_elsewhere)


@pytest.mark.parametrize(
    "answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
def test_what_is_no_answer_is_an_os_error(answer: bytes) -> None:
    """A server that hangs up, or speaks something else, is one that does not answer."""
    with saying(answer) as (port, _), pytest.raises(OSError, match=r"\w"):
        ask(f"http://127.0.0.1:{port}/")


def test_the_body_of_a_refusal_is_read() -> None:
    """Status, headers and body of a refusal are an answer like any other."""
    with saying(response(b"no", b"403 Forbidden", b"X-Reason: none\r\n")) as (port, _):
        answer = ask(f"http://127.0.0.1:{port}/")
    assert (403, b"no", "none") == (answer.status, answer.body, answer.headers["x-reason"])
