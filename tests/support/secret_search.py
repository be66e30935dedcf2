"""Knows every place where a secret of a stack could come to lie, and the forms in which it would lie there."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psycopg

# What is made at run time and known by its form alone: what Airflow's processes prove themselves with (header,
# payload and signature), and keys in a COPY statement or a shell line.
MADE = {
    "a token": re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
    "AWS keys": re.compile(rb"(?i)aws_(secret_access_key|session_token)=[^*\s]"),
}


@dataclass(frozen=True, order=True)
class Find:
    """A secret, by its name, and the place where it lies. Never its value: this is printed."""

    secret: str
    place: str


class Needles:
    """The secrets to look for, each by its name, as they are and in the forms that programs give them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._forms = {name: forms(value) for name, value in secrets.items()}

    def find(self, place: str, text: bytes) -> set[Find]:
        """The secrets in `text`, which was found at `place`."""
        found = {Find(name, place) for name, shapes in self._forms.items() if any(shape in text for shape in shapes)}
        return found | {Find(name, place) for name, form in MADE.items() if form.search(text)}


def forms(secret: str) -> set[bytes]:
    """A secret as it is, URL-encoded, in hexadecimal, and inside base64 at each of the three offsets."""
    plain = secret.encode()
    found = {plain, binascii.hexlify(plain)}
    found |= {text.encode() for text in (quote(secret), quote(secret, safe=""), quote_plus(secret))}
    for offset in range(3):
        # The first and last letters also depend on what stands before and after the secret.
        whole = base64.b64encode(b"\0" * offset + plain).rstrip(b"=")
        inside = whole[(0, 2, 3)[offset] : len(whole) - (1 if (offset + len(plain)) % 3 else 0)]
        found |= {inside, inside.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def in_files(folder: Path, needles: Needles, leave_out: str = "") -> set[Find]:
    """What lies in any file below a folder, or in the name of one; not below the subfolder to leave out."""
    found: set[Find] = set()
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[0] == leave_out:
            continue
        found |= needles.find(str(place), str(place).encode())
        try:
            if path.is_file():
                found |= needles.find(str(place), path.read_bytes())
        except FileNotFoundError:
            continue  # a log that was just rotated away
    return found


def in_database(connection: psycopg.Connection[Any], needles: Needles) -> set[Find]:
    """What lies in any row of any table of a database."""
    tables = connection.execute(
        "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"
    ).fetchall()
    found: set[Find] = set()
    for (table,) in tables:
        for (row,) in connection.execute(f"select t::text from {table} t"):  # type: ignore[arg-type]
            found |= needles.find(f"table {table}", row.encode())
    return found


def in_buckets(s3: Any, needles: Needles) -> set[Find]:
    """What lies in any version of any object of any bucket, in its name or its metadata; zips are opened."""
    found: set[Find] = set()
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        for key, version in _versions(s3, bucket):
            answer = s3.get_object(Bucket=bucket, Key=key, **version)
            text = f"{key} {answer['Metadata']}".encode() + answer["Body"].read()
            found |= needles.find(f"s3://{bucket}/{key}", _unzipped(text, key))
    return found


def _versions(s3: Any, bucket: str) -> Iterator[tuple[str, dict[str, str]]]:
    for part in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in part.get("Versions", []):
            yield item["Key"], ({} if item["VersionId"] == "null" else {"VersionId": item["VersionId"]})


def _unzipped(text: bytes, key: str) -> bytes:
    if not key.endswith(".zip"):
        return text
    with zipfile.ZipFile(io.BytesIO(text)) as archive:  # a zip is found from its end: what stands before does no harm
        return text + b"\n".join(archive.read(name) for name in archive.namelist())


def in_function_logs(logs: Any, needles: Needles) -> set[Find]:
    """What the functions logged."""
    found: set[Find] = set()
    for group in logs.describe_log_groups()["logGroups"]:
        for part in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            for event in part["events"]:
                found |= needles.find(f"log {group['logGroupName']}", event["message"].encode())
    return found


def in_stack_template(cloudformation: Any, needles: Needles) -> set[Find]:
    """What stands in the deployed templates, their parameters and outputs."""
    found: set[Find] = set()
    for stack in cloudformation.describe_stacks()["Stacks"]:
        template = cloudformation.get_template(StackName=stack["StackName"])["TemplateBody"]
        found |= needles.find(f"stack {stack['StackName']}", f"{stack} {template}".encode())
    return found


def in_commands(commands: Iterable[list[str]], needles: Needles) -> set[Find]:
    """What stands on a command line, which every user of the machine can read."""
    found: set[Find] = set()
    for command in commands:
        found |= needles.find("a command line", "\0".join(command).encode())
    return found


def in_rest_api(airflow: Any, needles: Needles, dag_ids: Container[str] | None = None) -> set[Find]:
    """What the UI shows of every run and task, and of the newest log of each task.

    Of all DAGs, or of those that are given.
    """
    found: set[Find] = set()
    for dag_id in (each["dag_id"] for each in airflow.listed("/dags", "dags")):
        if dag_ids is not None and dag_id not in dag_ids:
            continue
        for run in airflow.runs(dag_id):
            tasks = airflow.tasks(dag_id, run["dag_run_id"])
            found |= needles.find(f"run {dag_id} {run['dag_run_id']}", json.dumps([run, tasks]).encode())
            for task in tasks:
                if task["try_number"]:
                    name = f"log {dag_id} {task['task_id']} {task['map_index']} {run['dag_run_id']}"
                    found |= needles.find(name, airflow.log(dag_id, run["dag_run_id"], task).encode())
    listings = {
        "connections": "connections",
        "variables": "variables",
        "eventLogs": "event_logs",
        "assets/events": "asset_events",
        "importErrors": "import_errors",
        "pools": "pools",
    }
    for path, what in listings.items():
        found |= needles.find(f"/api/v2/{path}", json.dumps(airflow.listed(f"/{path}", what)).encode())
    return found
