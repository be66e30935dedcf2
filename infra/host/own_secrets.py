"""Knows the secrets that a host makes for itself, once: keys, the password of the pages, the certificate.

None of them leaves the host, so that losing the host loses none that anything else depends on.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from infra.host import env_file
from infra.host.account import Account
from infra.host.layout import Layout, write

UI_USER = "admin"
DATABASE_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
CERTIFICATE_DAYS = 3650
_MAKERS: dict[str, Callable[[], str]] = {
    "AIRFLOW__CORE__FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "AIRFLOW__API__SECRET_KEY": lambda: secrets.token_hex(32),
    "AIRFLOW__API_AUTH__JWT_SECRET": lambda: secrets.token_hex(64),
}


def make_keys(layout: Layout, database_url: str) -> None:
    """Writes secrets.env with the keys that are not there yet, and where the database is."""
    known = env_file.read(layout.secrets) if layout.secrets.exists() else {}
    wanted = {name: known.get(name) or make() for name, make in _MAKERS.items()} | {DATABASE_URL: database_url}
    if wanted != known:
        write(layout.secrets, env_file.render(wanted), 0o600)


def make_password(layout: Layout, account: Account) -> None:
    """Writes the password of the first user, unless there are passwords."""
    if not layout.passwords.exists():
        write(layout.passwords, json.dumps({UI_USER: secrets.token_urlsafe(15)}) + "\n", 0o600)
    account.own(layout.passwords)


def make_certificate(layout: Layout, account: Account, names: list[str]) -> None:
    """Makes a self-signed certificate for localhost, 127.0.0.1 and `names`, unless there is one for them all."""
    wanted = [_subject(name) for name in dict.fromkeys(["127.0.0.1", "localhost", *names])]
    if not (layout.certificate_key.exists() and _covers(layout.certificate, wanted)):
        with tempfile.TemporaryDirectory(dir=layout.configuration) as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            _openssl(certificate, key, wanted)
            write(layout.certificate_key, key.read_text(), 0o600)
            write(layout.certificate, certificate.read_text())
    account.own(layout.certificate_key)


def _subject(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _covers(certificate: Path, names: list[str]) -> bool:
    """Whether the certificate is there and names them all."""
    try:
        # Undocumented, and all that the standard library has; the tests would see it go.
        found = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    except (OSError, ssl.SSLError):
        return False
    return set(names) <= {_subject(name.strip()) for _, name in found.get("subjectAltName", ())}


def _openssl(certificate: Path, key: Path, names: list[str]) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", str(CERTIFICATE_DAYS), "-subj", "/CN=listings", "-addext", f"subjectAltName={','.join(names)}"),
            # The tasks trust this very certificate, so it signs nothing but itself.
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
