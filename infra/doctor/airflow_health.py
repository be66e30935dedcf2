"""Knows how Airflow says that it works: its own health page, and where that is out of reach, its host or MWAA."""

from __future__ import annotations

import json
from typing import Any

from infra.doctor.alarms import UNWELL, state_of
from infra.doctor.finding import Finding, mend, ok, skip
from infra.doctor.target import LOOPBACK, Target
from infra.doctor.web import Answer, ask

HEALTH = "/api/v2/monitor/health"
COMPONENTS = ("metadatabase", "scheduler", "dag_processor")
# Not every Airflow has one: where none ever ran, its status is null.
OPTIONAL = "triggerer"
_SOON = 5.0


def look_at_airflow(target: Target) -> Finding:
    """Whether Airflow's parts report."""
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
        return _by_health(ask(f"{url}{HEALTH}", timeout=_SOON), url, look)
    except OSError as error:
        return mend(f"{url} does not answer: {getattr(error, 'reason', error)}", look)


def _host(target: Target, url: str) -> Finding:
    """By the page where this machine is let in; else by the agent, through which a person gets at the host."""
    instance = target.outputs.get("AirflowInstanceId", "")
    shell = f"EC2 console, {target.region}, {instance}, Connect, Session Manager"
    look = f"{shell}: journalctl -u listings-health -n 50; systemctl status 'airflow-*'"
    try:
        return _by_health(ask(f"{url}{HEALTH}", timeout=_SOON, own_certificate=True), url, look)
    except OSError as error:
        unreachable = f"{url} is not reachable from here ({getattr(error, 'reason', error)})"
    if not instance:
        return skip(f"{unreachable}: its security group lets in only the addresses that the stack was given")
    told: Any = target.client("ssm").describe_instance_information(
        Filters=[{"Key": "InstanceIds", "Values": [instance]}]
    )["InstanceInformationList"]
    if told and told[0]["PingStatus"] == "Online":
        return _by_alarm(target, f"{unreachable}; its host's agent is online", look)
    state = told[0]["PingStatus"] if told else "unknown to Systems Manager"
    return mend(
        f"{unreachable}, and the agent of {instance} is {state}",
        f"EC2 console, {target.region}, {instance}: is it running? A stopped one: Start instance",
    )


def _by_alarm(target: Target, known: str, look: str) -> Finding:
    """What the host's own health check told CloudWatch: an agent that is online says nothing of Airflow."""
    state = state_of(target, UNWELL)
    if state == "ALARM":
        return mend(f"{known}, but its health check failed or is silent: alarm {UNWELL}", look)
    if state == "OK":
        return ok(f"{known}, and its health check says that Airflow is well: alarm {UNWELL} is OK")
    why = "has no data yet" if state else "is not there"
    return skip(f"{known}; whether Airflow works is not known: alarm {UNWELL} {why}")


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


def _by_health(answer: Answer, url: str, look: str) -> Finding:
    try:
        told = json.loads(answer.body)
        there = [*COMPONENTS, *([OPTIONAL] if told[OPTIONAL]["status"] else [])]
        ill = [name for name in there if told[name]["status"] != "healthy"]
    except (ValueError, KeyError, TypeError):
        return mend(f"{url} answers {answer.status}, but not as Airflow does", look)
    if ill:
        return mend(f"not healthy at {url}: {', '.join(ill)}", look)
    return ok(f"{', '.join(there[1:])} are healthy at {url}")
