"""Knows the order of a deploy on AWS: what CloudFormation does, and after it what it cannot do.

Usage: python -m infra.deploy.aws --stage NAME [options]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from infra.aws.change_set import Stack
from infra.aws.choices import CALLED, Choices, add_choices, choices_of
from infra.aws.parameters import refuse_wrong
from infra.aws.tuning import read_stage_tuning
from infra.deploy.command_line import ask, ended, say, stage_parser
from infra.deploy.deploy import Person, Place, bring_up, put_functions
from infra.deploy.host_update import newest_image, update_host
from infra.deploy.mwaa_upload import upload_package
from infra.deploy.stage import place_of
from infra.deploy.warehouse import set_usage_limit
from infra.package.build import DEFAULT_OUT
from infra.package.layer import build_layer
from infra.package.mwaa import make_pool, package
from infra.package.release import build_release


def deploy(
    place: Place, choices: Choices, *, build_dir: Path = DEFAULT_OUT, person: Person | None = None
) -> dict[str, str]:
    """Builds what the stage runs and brings stack `listings-<stage>` on AWS to the template; returns its outputs.

    What `choices` leaves open stays as it was. Raises DeployError with the reason; the stack is then as it was. When
    only the host did not take its release, all else is new.
    """
    person = person or Person()
    tuning = read_stage_tuning(place.stage)
    chosen = choices.parameters()
    refuse_wrong(chosen, CALLED)
    person.say(f"Account {place.account.account_id()}, region {place.account.region}, stack {place.stack_name}")
    parameters = put_functions(place, build_dir) | {"Tuning": tuning.lines} | chosen
    known = _known_parameters(place.stack(person))
    parameters |= _airflow(place, build_dir, choices, known)
    before = place.stack(person).outputs().get("AirflowInstanceId") if known else None
    outputs = bring_up(place, person, parameters)
    hours = set_usage_limit(place.account, outputs["RedshiftWorkgroupArn"], choices.rpu_hours)
    person.say(f"Redshift takes no more queries after {hours} RPU hours a day")
    host = outputs.get("AirflowInstanceId")
    if host and host == before:  # a new one has installed the release while it was made
        update_host(place.account.client("ssm"), host, person.say)
    if environment := outputs.get("MwaaEnvironmentName"):
        make_pool(place.account.client("mwaa"), environment, tuning.api_slots)
    return outputs


def _airflow(place: Place, build_dir: Path, choices: Choices, known: Mapping[str, str]) -> dict[str, str | None]:
    """Builds and uploads the layer, the release and what MWAA runs; the parameters that name them."""
    layer_arn = known.get("LayerArn", "") if choices.layer_arn is None else choices.layer_arn
    release = build_release(build_dir)
    # Both stay until a new host is asked for: each of them replaces it.
    is_new = choices.new_host or "ImageId" not in known
    image = newest_image(place.account.client("ssm")) if is_new else None
    generation = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ") if choices.new_host else None
    parameters: dict[str, str | None] = {
        "RuntimeLayerKey": place.code.put("layers", build_layer(build_dir, with_pyarrow=not layer_arn)),
        "ReleaseKey": place.code.put("releases", release.path),
        "ImageId": image,
        "HostGeneration": generation,
    }
    if (choices.airflow_on or known.get("AirflowOn")) == "mwaa":
        parameters |= upload_package(place.code, package(build_dir / "mwaa", stage=place.stage), release.name)
    return parameters


def _known_parameters(stack: Stack) -> dict[str, str]:
    """The parameters of the stage's stack; none when there is no stack."""
    return stack.parameters() if stack.exists() else {}


def main(arguments: list[str] | None = None) -> int:
    """Deploys from the command line and prints the outputs as JSON; on failure says why and returns 1."""
    parser = stage_parser("aws", __doc__, asks=True)
    parser.add_argument("--build-dir", type=Path, default=DEFAULT_OUT, help="folder for what is built")
    add_choices(parser)
    chosen = parser.parse_args(arguments)
    person = Person(say, lambda: chosen.yes or ask("Execute these changes? [y/N] ").lower() in {"y", "yes"})

    def do() -> None:
        place = place_of(chosen.stage, chosen.region)
        outputs = deploy(place, choices_of(chosen), build_dir=chosen.build_dir, person=person)
        print(json.dumps(outputs, indent=2))

    return ended(do)


if __name__ == "__main__":
    raise SystemExit(main())
