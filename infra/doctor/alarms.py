"""Knows the stage's alarms, and what each state of one means."""

from __future__ import annotations

from typing import Any

from infra.aws.template_reader import read_template
from infra.doctor.finding import Finding, mend, ok
from infra.doctor.storage import rebuild
from infra.doctor.target import Target

UNWELL = "airflow-unwell"
RUNBOOK = "docs/runbook.md, Alarms, says of each where to look and what to do"


def look_at_alarms(target: Target) -> Finding:
    """Whether the alarms are there, and none of them rings."""
    known = _known(target)
    states = {name: state for name, state in _states(target).items() if name in known}
    missing = [name for name, condition in known.items() if not condition and name not in states]
    ringing = [_short(target, name) for name, state in states.items() if state == "ALARM"]
    if ringing:
        return mend(f"ringing: {', '.join(ringing)}", RUNBOOK)
    if missing:
        gone = ", ".join(_short(target, name) for name in missing) if states else f"all of {target.stack_name}"
        return mend(f"there is no alarm to hear of faults by: {gone}", rebuild(target))
    waiting = [_short(target, name) for name, state in states.items() if state != "OK"]
    return ok(f"none of {len(states)} rings" + (f"; without data so far: {', '.join(waiting)}" if waiting else ""))


def state_of(target: Target, name: str) -> str:
    """One alarm's state: OK, ALARM or INSUFFICIENT_DATA; empty when there is no such alarm."""
    return _states(target).get(f"{target.stack_name}-{name}", "")


def _short(target: Target, name: str) -> str:
    return name.removeprefix(f"{target.stack_name}-")


def _known(target: Target) -> dict[str, str]:
    """The names that the template gives, each with the condition under which there is one; others may begin alike."""
    return {
        resource["Properties"]["AlarmName"].replace("${Project}-${Stage}", target.stack_name): str(
            resource.get("Condition", "")
        )
        for resource in read_template(target.root)["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def _states(target: Target) -> dict[str, str]:
    pages: Any = (
        target.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{target.stack_name}-", AlarmTypes=["MetricAlarm"])
    )
    return {alarm["AlarmName"]: str(alarm["StateValue"]) for page in pages for alarm in page.get("MetricAlarms", [])}
