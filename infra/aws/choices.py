"""Knows what a person may choose of a stage on AWS, and what the template calls it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from typing import Any

# Option, and the template's parameter that it sets.
_PARAMETERS = {
    "airflow_on": "AirflowOn",
    "ui_cidr": "UiCidr",
    "access_logs": "AccessLogs",
    "alarm_email": "AlarmEmail",
    "monthly_budget": "MonthlyBudget",
    "instance_type": "InstanceType",
    "layer_arn": "LayerArn",
    "base_rpu": "RedshiftBaseRpu",
    "max_rpu": "RedshiftMaxRpu",
    "mwaa_class": "MwaaClass",
    "mwaa_max_workers": "MwaaMaxWorkers",
}
# What a person calls a parameter: the variable of make.
CALLED = {parameter: option.upper() for option, parameter in _PARAMETERS.items()}
NOBODY = "none"
_MAY_BE_EMPTY = ("ui_cidr", "alarm_email", "layer_arn")


@dataclass(frozen=True)
class Choices:
    """What was chosen. None leaves it as it was; at the first deploy it is the template's default."""

    airflow_on: str | None = None
    ui_cidr: str | None = None
    access_logs: str | None = None
    alarm_email: str | None = None
    monthly_budget: str | None = None
    instance_type: str | None = None
    layer_arn: str | None = None
    base_rpu: str | None = None
    max_rpu: str | None = None
    mwaa_class: str | None = None
    mwaa_max_workers: str | None = None
    rpu_hours: int | None = None
    new_host: bool = False

    def parameters(self) -> dict[str, str | None]:
        """The template's parameters that the choices are about; "none" empties what may be empty."""
        return {parameter: self._value(option) for option, parameter in _PARAMETERS.items()}

    def _value(self, option: str) -> str | None:
        value: str | None = getattr(self, option)
        return "" if value == NOBODY and option in _MAY_BE_EMPTY else value


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each choice."""
    group = parser.add_argument_group("choices", "what is left out stays as it was")
    group.add_argument("--airflow-on", help="where Airflow runs: ec2, mwaa or none (first: ec2)")
    group.add_argument(
        "--ui-cidr", help="who reaches Airflow's port, like 203.0.113.7/32; none closes it (first: none)"
    )
    group.add_argument("--access-logs", help="whether S3 logs requests to the data buckets: on or off (first: off)")
    group.add_argument("--alarm-email", help="who is told of alarms and of the budget; none for nobody (first: none)")
    group.add_argument("--monthly-budget", help="US dollars a month of the account (first: 150)")
    group.add_argument("--instance-type", help="type of the Airflow host (first: t3.medium)")
    group.add_argument("--layer-arn", help="a layer that brings pyarrow; none for our own (first: none)")
    group.add_argument("--base-rpu", help="Redshift's capacity (first: 8)")
    group.add_argument("--max-rpu", help="Redshift's capacity at most (first: 16)")
    group.add_argument("--mwaa-class", help="size of the MWAA environment (first: mw1.small)")
    group.add_argument("--mwaa-max-workers", help="workers that MWAA may start (first: 2)")
    group.add_argument("--rpu-hours", type=int, help="RPU hours a day after which Redshift stops (first: 16)")
    group.add_argument("--new-host", action="store_true", help="replace the Airflow host, on the newest image")


def choices_of(chosen: argparse.Namespace) -> Choices:
    """The choices of a parsed command line; an option that was given empty counts as left out, as make gives it."""
    named: dict[str, Any] = {field.name: getattr(chosen, field.name) for field in fields(Choices)}
    return Choices(**{name: value for name, value in named.items() if value not in ("", None)})
