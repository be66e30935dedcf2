"""A real SMTP server on loopback that keeps what it is sent, for tests of mail."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from typing import Any, Self

from aiosmtpd.controller import Controller

SENDER = "pipeline@example.com"
RECIPIENTS = ("data@example.com", "on-call@example.com")


@dataclass(frozen=True)
class Mail:
    """One mail as it was received: whom the envelope names, and the message."""

    recipients: tuple[str, ...]
    message: Message

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(make_header(decode_header(self.message["Subject"])))

    def text(self, kind: str = "plain") -> str:
        """The part text/`kind`, decoded."""
        [part] = [part for part in self.message.walk() if part.get_content_type() == f"text/{kind}"]
        body = part.get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode()


class Mailbox:
    """The server; `mails` is what came, in order."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.port = _free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keeps a mail."""
        self.mails.append(Mail(tuple(envelope.rcpt_tos), message_from_bytes(envelope.content)))
        return "250 OK"

    def settings(self) -> dict[str, str]:
        """What Airflow needs to send its mail here."""
        return settings(self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._controller.stop()


def settings(port: int) -> dict[str, str]:
    """The environment of an Airflow whose mail goes to a server on this port."""
    extra = {"disable_ssl": True, "disable_tls": True}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    return {
        "LISTINGS_ALERT_TO": ", ".join(RECIPIENTS),
        "LISTINGS_ALERT_FROM": SENDER,
        "AIRFLOW_CONN_SMTP_LISTINGS": json.dumps(connection),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port
