"""What AWS says of a stage's Airflow, its alarms and its region's zones; requests checked by botocore."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from infra.doctor.airflow_health import look_at_airflow
from infra.doctor.alarms import look_at_alarms
from infra.doctor.finding import State
from infra.doctor.target import Target
from infra.doctor.zones import look_at_zones
from tests.support import stubbed_aws
from tests.support.stubbed_aws import REGION, StubbedAws, looked

OUTPUTS = {"RawBucketName": "listings-dev-raw"}


@pytest.fixture
def aws() -> Iterator[StubbedAws]:
    """AWS with nothing laid ready."""
    with StubbedAws() as stubbed:
        yield stubbed


def stage(aws: StubbedAws, outputs: dict[str, str] | None = None) -> Target:
    """A stage with the outputs of these tests unless others are given; without a stack for none."""
    return stubbed_aws.stage(aws, OUTPUTS if outputs is None else outputs)


# ---------------------------------------------------------------- Airflow
def unreachable() -> dict[str, str]:
    """Outputs of a host whose page nobody serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {**OUTPUTS, "AirflowUrl": f"https://127.0.0.1:{port}", "AirflowInstanceId": "i-0123456789abcdef0"}


@pytest.mark.parametrize(
    ("agents", "words"),
    [
        ([{"PingStatus": "ConnectionLost"}], "the agent of i-0123456789abcdef0 is ConnectionLost"),
        ([], "the agent of i-0123456789abcdef0 is unknown to Systems Manager"),
    ],
)
def test_a_host_out_of_reach_whose_agent_is_away_is_named(
    aws: StubbedAws, agents: list[dict[str, str]], words: str
) -> None:
    """Where neither the page nor the agent is reachable, nobody gets at the host but through EC2."""
    found = looked(stage(with_agent(aws, *agents), unreachable()), look_at_airflow)
    assert State.MEND is found.state
    assert words in found.found


@pytest.mark.parametrize(
    ("alarm", "state", "words"),
    [
        ("OK", State.OK, "agent is online, and its health check says that Airflow is well: alarm airflow-unwell is OK"),
        ("ALARM", State.MEND, "online, but its health check failed or is silent: alarm airflow-unwell"),
        ("INSUFFICIENT_DATA", State.SKIP, "whether Airflow works is not known: alarm airflow-unwell has no data yet"),
        ("", State.SKIP, "whether Airflow works is not known: alarm airflow-unwell is not there"),
    ],
)
def test_a_host_out_of_reach_is_as_well_as_its_alarm_says(
    aws: StubbedAws, alarm: str, state: State, words: str
) -> None:
    """An agent that is online is no Airflow that works: what the host's own health check said is said."""
    with_agent(aws, {"PingStatus": "Online"})
    alarms(aws, **({"airflow-unwell": alarm} if alarm else {}))
    found = looked(stage(aws, unreachable()), look_at_airflow)
    assert state is found.state
    assert re.search(f"not reachable from here .*{words}", found.found), found.found


def with_agent(aws: StubbedAws, *agents: dict[str, str]) -> StubbedAws:
    """Lays ready what Systems Manager knows of the host."""
    return aws.answers(
        "ssm", "describe_instance_information", {"InstanceInformationList": list(agents)},
        Filters=[{"Key": "InstanceIds", "Values": ["i-0123456789abcdef0"]}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "state"), [("AVAILABLE", State.OK), ("CREATING", State.MEND), ("UPDATE_FAILED", State.MEND)]
)
def test_mwaa_says_itself_how_it_is(aws: StubbedAws, status: str, state: State) -> None:
    """An environment of MWAA is well when it is available, and its status is named when not."""
    aws.answers("mwaa", "get_environment", {"Environment": {"Status": status}}, Name="listings-dev")
    found = looked(stage(aws, {**OUTPUTS, "MwaaEnvironmentName": "listings-dev"}), look_at_airflow)
    assert state is found.state
    assert status.lower() in found.found.lower()


def test_a_stage_without_airflow_is_no_fault(aws: StubbedAws) -> None:
    """An Airflow of one's own is not looked for."""
    assert State.SKIP is looked(stage(aws), look_at_airflow).state


# ---------------------------------------------------------------- alarms
EVERYWHERE = [
    f"{function}-{what}"
    for function in ("copy-raw", "transform-listings")
    for what in ("dead-letters", "oldest-message", "errors", "throttles")
]


def alarms(aws: StubbedAws, **states: str) -> StubbedAws:
    """Lays alarms of the stage ready."""
    told = [{"AlarmName": f"listings-dev-{name}", "StateValue": state} for name, state in states.items()]
    return aws.answers(
        "cloudwatch", "describe_alarms", {"MetricAlarms": told},
        AlarmNamePrefix="listings-dev-", AlarmTypes=["MetricAlarm"],
    )  # fmt: skip


def test_alarms_that_are_quiet_are_well(aws: StubbedAws) -> None:
    """None rings; which of them has seen nothing yet is said."""
    alarms(aws, **{**dict.fromkeys(EVERYWHERE, "OK"), "copy-raw-errors": "INSUFFICIENT_DATA"})
    found = looked(stage(aws), look_at_alarms)
    assert (State.OK, "none of 8 rings; without data so far: copy-raw-errors") == (found.state, found.found)


def test_an_alarm_that_rings_is_named(aws: StubbedAws) -> None:
    """Every alarm that is on is named, also one that is there only with a host; the runbook says what it means."""
    rings = {"copy-raw-dead-letters": "ALARM", "airflow-host": "ALARM"}
    found = looked(stage(alarms(aws, **{**dict.fromkeys(EVERYWHERE, "OK"), **rings})), look_at_alarms)
    assert (State.MEND, "ringing: copy-raw-dead-letters, airflow-host") == (found.state, found.found)
    assert "docs/runbook.md" in found.remedy


def test_an_alarm_that_is_missing_is_named(aws: StubbedAws) -> None:
    """Without an alarm nobody hears of a fault; those of a host are missed only by a host."""
    found = looked(stage(alarms(aws, **dict.fromkeys(EVERYWHERE[1:], "OK"))), look_at_alarms)
    assert State.MEND is found.state
    assert "there is no alarm to hear of faults by: copy-raw-dead-letters" == found.found


def test_no_alarm_at_all_is_named_in_a_word(aws: StubbedAws) -> None:
    """With none there the line is short."""
    found = looked(stage(alarms(aws)), look_at_alarms)
    assert (State.MEND, "there is no alarm to hear of faults by: all of listings-dev") == (found.state, found.found)


def test_alarms_of_another_stage_are_not_ours(aws: StubbedAws) -> None:
    """A stage whose name begins as ours does has its own doctor."""
    states = {**dict.fromkeys(EVERYWHERE, "OK"), "two-copy-raw-errors": "ALARM"}
    assert State.OK is looked(stage(alarms(aws, **states)), look_at_alarms).state


# ---------------------------------------------------------------- zones
def zones(aws: StubbedAws, there: str, with_default: str = "") -> StubbedAws:
    """Lays the region's zones ready by their letters, and those that have a default subnet."""
    told = [{"ZoneName": f"{REGION}{letter}", "State": "available"} for letter in there]
    aws.answers(
        "ec2", "describe_availability_zones", {"AvailabilityZones": told},
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
            {"Name": "zone-type", "Values": ["availability-zone"]},
        ],
    )  # fmt: skip
    return aws.answers(
        "ec2", "describe_subnets", {"Subnets": [{"AvailabilityZone": f"{REGION}{letter}"} for letter in with_default]},
        Filters=[{"Name": "default-for-az", "Values": ["true"]}],
    )  # fmt: skip


@pytest.mark.parametrize(("there", "with_default"), [("abc", ""), ("abcd", "bcd")])
def test_three_zones_are_enough(aws: StubbedAws, there: str, with_default: str) -> None:
    """CloudFormation names all zones of an account without default subnets, else those that have one."""
    found = looked(stage(zones(aws, there, with_default), {}), look_at_zones)
    assert (State.OK, f"{len(there)} in {REGION}, the warehouse takes 3") == (found.state, found.found)


def test_a_region_with_two_zones_is_named(aws: StubbedAws) -> None:
    """Redshift Serverless would refuse it in the middle of a deploy."""
    found = looked(stage(zones(aws, "ab"), {}), look_at_zones)
    assert (State.MEND, f"only 2 in {REGION}, the warehouse takes 3") == (found.state, found.found)
    assert "make deploy STAGE=dev REGION=<a region with more>" == found.remedy


@pytest.mark.parametrize("with_default", ["ab", "abx"])
def test_a_zone_that_cloudformation_does_not_name_is_named(aws: StubbedAws, with_default: str) -> None:
    """With a default subnet in some zones only, the template is given no others; making one mends it."""
    found = looked(stage(zones(aws, "abc", with_default), {}), look_at_zones)
    assert State.MEND is found.state
    assert f"CloudFormation names only {REGION}a, {REGION}b" in found.found
    assert f"aws ec2 create-default-subnet --region {REGION} --availability-zone {REGION}c" == found.remedy


def test_zones_that_may_not_be_asked_are_no_fault(aws: StubbedAws) -> None:
    """A caller who may not see them is told so."""
    aws.refuses("ec2", "describe_availability_zones", "UnauthorizedOperation")
    assert State.SKIP is looked(stage(aws, {}), look_at_zones).state


def test_a_deployed_stage_has_its_zones(aws: StubbedAws) -> None:
    """Once deployed nothing is asked."""
    assert State.OK is looked(stage(aws), look_at_zones).state
