"""Knows how Airflow says that it works: its own health page, and where that is out of reach, its host or MWAA."""

from __future__ import annotations

import json
from typing import Any

from infra.doctor.finding import Finding, mend, ok, skip
from infra.doctor.target import LOOPBACK, Target
from infra.doctor.web import Answer, ask

HEALTH = "/api/v2/monitor/health"
COMPONENTS = ("metadatabase", "scheduler", "dag_processor")
# Not every Airflow has one: where none ever ran, its status is null.
OPTIONAL = "triggerer"
EXTRACT = "extract_listings"
_SOON = 5.0


def look_at_airflow(target: Target) -> Finding:
    """Whether Airflow's parts report; that the daily extraction is paused is said, and is no fault."""
    if target.is_local:
        return _local(target)
    if "MwaaEnvironmentName" in target.outputs:
        return _mwaa(target, target.outputs["MwaaEnvironmentName"])
    if not target.outputs.get("AirflowUrl"):
        return skip("this stack has no Airflow: it runs elsewhere")
    return _host(target, target.outputs["AirflowUrl"].rstrip("/"))


def _local(target: Target) -> Finding:
    url = f"http://{LOOPBACK}:{target.ports['ui']}"
    look = f"make status, and the logs in {target.home}/logs; make down, make up start afresh"
    try:
        return _by_health(ask(f"{url}{HEALTH}", timeout=_SOON), url, look, _paused(target, url))
    except OSError as error:
        return mend(f"{url} does not answer: {getattr(error, 'reason', error)}", look)


def _host(target: Target, url: str) -> Finding:
    """By the page where this machine is let in; else by the agent, through which a person gets at the host."""
    instance = target.outputs.get("AirflowInstanceId", "")
    shell = f"EC2 console, {target.region}, {instance}, Connect, Session Manager"
    look = f"{shell}: journalctl -u listings-health -n 50; systemctl status 'airflow-*'"
    try:
        return _by_health(ask(f"{url}{HEALTH}", timeout=_SOON, own_certificate=True), url, look, "")
    except OSError as error:
        unreachable = f"{url} is not reachable from here ({getattr(error, 'reason', error)})"
    if not instance:
        return skip(f"{unreachable}: its security group lets in only the addresses that the stack was given")
    told: Any = target.client("ssm").describe_instance_information(
        Filters=[{"Key": "InstanceIds", "Values": [instance]}]
    )["InstanceInformationList"]
    if told and told[0]["PingStatus"] == "Online":
        return ok(f"{unreachable}, but its host's agent is online")
    state = told[0]["PingStatus"] if told else "unknown to Systems Manager"
    return mend(
        f"{unreachable}, and the agent of {instance} is {state}",
        f"EC2 console, {target.region}, {instance}: is it running? A stopped one: Start instance",
    )


def _mwaa(target: Target, name: str) -> Finding:
    client = target.client("mwaa")
    try:
        told = client.get_environment(Name=name)["Environment"]
    except client.exceptions.ResourceNotFoundException:
        return mend(f"there is no MWAA environment {name}", target.command("deploy"))
    if told["Status"] == "AVAILABLE":
        return ok(f"MWAA {name} is available: https://{told.get('WebserverUrl', '')}")
    if told["Status"].endswith("ING"):
        return mend(f"MWAA {name} is {told['Status']}", "wait (half an hour is usual), then look again")
    return mend(f"MWAA {name} is {told['Status']}", f"its environment page in the MWAA console, {target.region}")


def _by_health(answer: Answer, url: str, look: str, note: str) -> Finding:
    try:
        told = json.loads(answer.body)
        there = [*COMPONENTS, *([OPTIONAL] if told[OPTIONAL]["status"] else [])]
        ill = [name for name in there if told[name]["status"] != "healthy"]
    except (ValueError, KeyError, TypeError):
        return mend(f"{url} answers {answer.status}, but not as Airflow does", look)
    if ill:
        return mend(f"not healthy at {url}: {', '.join(ill)}", look)
    return ok(f"{', '.join(there[1:])} are healthy at {url}{note}")


def _paused(target: Target, url: str) -> str:
    """A word about the daily extraction where it is paused; nothing where Airflow does not say."""
    assert target.home is not None
    try:
        password = json.loads((target.home / "secrets.json").read_text(encoding="utf-8"))["ui_password"]
        login = json.dumps({"username": "admin", "password": password}).encode()
        came = ask(f"{url}/auth/token", {"Content-Type": "application/json"}, login, timeout=_SOON)
        token = json.loads(came.body)["access_token"]
        dag = json.loads(ask(f"{url}/api/v2/dags/{EXTRACT}", {"Authorization": f"Bearer {token}"}, timeout=_SOON).body)
        return f"; {EXTRACT} is paused" if dag["is_paused"] else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
