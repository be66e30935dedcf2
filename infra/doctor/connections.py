"""Knows which Airflow connections must have a value, and what each must name to be of use."""

from __future__ import annotations

import re
from typing import Any

from infra.aws.connections import HOSTS, KEY
from infra.doctor.finding import Finding, mend, ok
from infra.doctor.target import Target, unpacked

# Field by field what must be there; a dot looks into the extra.
_API = ("host", f"extra.{KEY}")
REQUIRED: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(HOSTS, ("http", _API)),
    "aws_s3_conn": ("aws", ()),
    "conn_id_redshift": ("redshift", ("host", "schema", "login", "password")),
    "redshift_copy_role": ("aws", ("extra.role_arn",)),
}
MAIL = "smtp_listings"
_LOOPBACK = re.compile(r"(https?://)?(127\.0\.0\.1|localhost)\b")


def look_at_connections(target: Target) -> Finding:
    """Whether every connection that is needed has a value which Airflow can use; the mail server may have none."""
    texts = {name: target.secret(name).strip() for name in (*REQUIRED, MAIL)}
    missing = [name for name in REQUIRED if not texts[name]]
    problems = [f"no value: {', '.join(missing)}"] if missing else []
    for name, (kind, fields) in {**REQUIRED, MAIL: ("smtp", ("host",))}.items():
        if texts[name]:
            problems += _problems_of(name, texts[name], kind, fields)
    if problems:
        return mend("; ".join(problems), target.command("secrets"))
    mail = "mail by smtp_listings" if texts[MAIL] else "no mail server"
    return ok(f"all {len(REQUIRED)} are set; {mail}")


def _problems_of(name: str, text: str, kind: str, fields: tuple[str, ...]) -> list[str]:
    """What is wrong with a value; the value itself is never said."""
    try:
        found = unpacked(text)
    except ValueError:
        return [f"{name} is not Airflow's JSON"]
    if found.get("conn_type") != kind:
        return [f"{name} has conn_type {found.get('conn_type') or 'none'}, expected {kind}"]
    lacking = [each for each in fields if not _at(found, each)]
    if lacking:
        return [f"{name} lacks {', '.join(lacking)}"]
    if kind == "http" and not _is_private(found):
        return [f"{name} sends its key over plain http: its host must begin with https://"]
    return []


def _is_private(connection: dict[str, Any]) -> bool:
    """Whether the key travels encrypted, or not at all."""
    host = str(connection["host"])
    return host.startswith("https://") or bool(_LOOPBACK.match(host)) or connection.get("schema") == "https"


def _at(connection: dict[str, Any], field: str) -> Any:
    return (
        connection["extra"].get(field.removeprefix("extra.")) if field.startswith("extra.") else connection.get(field)
    )
