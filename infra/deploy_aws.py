"""Knows the order of a deploy on AWS: what CloudFormation does, and after it what it cannot do.

Usage: python -m infra.deploy_aws --stage NAME [options]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws_account import LOCAL_REGION, LOCAL_STAGE, AwsAccount, DeployError
from infra.build import DEFAULT_OUT
from infra.change_set import Stack
from infra.choices import Choices, add_choices, choices_of
from infra.deploy import Person, Place, bring_up, put_functions
from infra.host_update import newest_image, update_host
from infra.layer import LayerError, build_layer
from infra.mwaa import make_pool, package
from infra.mwaa_upload import upload_package
from infra.release import build_release
from infra.tuning import tuning_lines
from infra.warehouse import set_usage_limit

# As include/settings.py has it for api_slots, which nobody has changed when an environment is made.
API_SLOTS = 2


def deploy(
    stage: str, region: str, choices: Choices, *, build_dir: Path = DEFAULT_OUT, person: Person | None = None
) -> dict[str, str]:
    """Builds what the stage runs and brings stack `listings-<stage>` on AWS to the template; returns its outputs.

    What `choices` leaves open stays as it was. Raises DeployError with the reason; what was there before is then
    as it was, but for what had been uploaded.
    """
    person = person or Person()
    if stage == LOCAL_STAGE:
        raise DeployError('Stage "local" is the stand-in: `make up` deploys to it. Name a stage on AWS, like dev.')
    place = Place(AwsAccount(None, region), stage)
    person.say(f"Account {place.account.account_id()}, region {region}, stack {place.stack_name}")
    tuning = tuning_lines(stage)
    parameters = put_functions(place, build_dir) | {"Tuning": tuning}
    known = _known_parameters(place.stack(person))
    parameters |= _airflow(place, build_dir, choices, known) | choices.parameters()
    before = place.stack(person).outputs().get("AirflowInstanceId") if known else None
    outputs = bring_up(place, person, parameters)
    hours = set_usage_limit(place.account, outputs["RedshiftWorkgroupArn"], choices.rpu_hours)
    person.say(f"Redshift takes no more queries after {hours} RPU hours a day")
    host = outputs.get("AirflowInstanceId")
    if host and host == before:  # a new one has installed the release while it was made
        update_host(place.account.client("ssm"), host, person.say)
    if environment := outputs.get("MwaaEnvironmentName"):
        make_pool(place.account.client("mwaa"), environment, API_SLOTS)
    return outputs


def _airflow(place: Place, build_dir: Path, choices: Choices, known: Mapping[str, str]) -> dict[str, str | None]:
    """Builds and uploads the layer, the release and what MWAA runs; the parameters that name them."""
    layer_arn = known.get("LayerArn", "") if choices.layer_arn is None else choices.layer_arn
    release = build_release(build_dir)
    # Kept from the first deploy on: a newer image replaces the host.
    image = None if "ImageId" in known and not choices.newest_image else newest_image(place.account.client("ssm"))
    parameters: dict[str, str | None] = {
        "RuntimeLayerKey": place.code.put("layers", build_layer(build_dir, with_pyarrow=not layer_arn)),
        "ReleaseKey": place.code.put("releases", release.path),
        "ImageId": image,
    }
    if (choices.airflow_on or known.get("AirflowOn")) == "mwaa":
        parameters |= upload_package(place.code, package(build_dir / "mwaa", stage=place.stage), release.name)
    return parameters


def _known_parameters(stack: Stack) -> dict[str, str]:
    """The parameters of the stage's stack; none when there is no stack."""
    return stack.parameters() if stack.exists() else {}


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes; nobody there says no."""
    if not sys.stdin.isatty():
        print(f"{question} Nobody is there to say so: give --yes (make: YES=1).", file=sys.stderr)
        return False
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def main(arguments: list[str] | None = None) -> int:
    """Deploys from the command line and prints the outputs as JSON; on failure says why and returns 1."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy_aws", description=__doc__)
    parser.add_argument("--stage", required=True, help="stage on AWS, for instance dev")
    parser.add_argument("--region", default=LOCAL_REGION, help="region on AWS (%(default)s)")
    parser.add_argument("--yes", action="store_true", help="execute the change set without asking")
    parser.add_argument("--build-dir", type=Path, default=DEFAULT_OUT, help="folder for what is built")
    add_choices(parser)
    chosen = parser.parse_args(arguments)
    person = Person(
        say=lambda line: print(line, file=sys.stderr),
        agree=lambda: chosen.yes or ask("Execute these changes?"),
    )
    try:
        outputs = deploy(chosen.stage, chosen.region, choices_of(chosen), build_dir=chosen.build_dir, person=person)
    except (DeployError, LayerError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(outputs, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
