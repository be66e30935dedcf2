"""A deployment updates a function's code and its environment one after the other, while messages are under way."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from include.contract.families import compile_source
from include.contract.listing import compile_contract
from infra.package.build import FUNCTIONS, Bundle, bundle
from tests.support import small_set
from tests.support.chain import eventually, impatient, land
from tests.support.deployed_stack import Deployed

REPETITIONS = 20
# What the code of either bundle writes into each set, whatever its environment says.
CONTRACTS = ("8.8.8", "9.9.9")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two builds of the functions that differ in the contract's version alone."""
    sources = {"zillow56": compile_source("zillow56")}
    folder: Path = tmp_path_factory.mktemp("bundles")
    return [bundle(folder, FUNCTIONS, compile_contract() | {"version": each}, sources) for each in CONTRACTS]


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=pytest.mark.sample) if each < 1 else each for each in range(REPETITIONS)]
)
def test_no_set_has_the_version_of_another_code(deployed: Deployed, bundles: list[Bundle], number: int) -> None:
    """From one build to the other and back, code first or environment first: each set is labelled as it was cleaned."""
    chance = random.Random(number)
    functions, name = deployed.root("lambda"), deployed.outputs["TransformFunctionName"]
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    ids = []

    def land_one() -> None:
        ids.append(f"20261122T06{number:02d}{len(ids):02d}Z-aaaaaa")
        land(deployed, small_set.objects(ids[-1]))
        time.sleep(chance.choice([0, 0.2, 0.5]))

    with impatient(deployed, "TransformQueueUrl", 2, receives=1000):
        for build in bundles if number % 2 else reversed(bundles):
            steps = [
                lambda build=build: functions.update_function_code(
                    FunctionName=name, ZipFile=build.transform_zip.read_bytes()
                ),
                lambda build=build: functions.update_function_configuration(
                    FunctionName=name,
                    Environment={"Variables": environment | {"TRANSFORM_VERSION": build.transform_version}},
                ),
            ]
            land_one()
            first, second = chance.sample(steps, len(steps))
            first()
            land_one()
            # It comes to a function whose code and environment differ.
            eventually(lambda: _is_copied(deployed, ids[-1]), f"{ids[-1]} in raw")
            time.sleep(4)
            second()
            land_one()
        found = [label for each in ids for label in eventually(lambda each=each: _labels(deployed, each), each)]

    made = dict(zip((each.transform_version for each in bundles), CONTRACTS, strict=True))
    assert len(ids) == len({extract_id for extract_id, _, _ in found})
    # The first set may have been cleaned by what was deployed before.
    assert [] == [label for label in found if label[1] in made and made[label[1]] != label[2]]
    assert {each.transform_version for each in bundles} & {version for _, version, _ in found}


def _is_copied(deployed: Deployed, extract_id: str) -> bool | None:
    key = f"{small_set.prefix(extract_id)}_manifest.json"
    found = deployed.root("s3").list_objects_v2(Bucket=deployed.outputs["RawBucketName"], Prefix=key)
    return bool(found["KeyCount"]) or None


def _labels(deployed: Deployed, extract_id: str) -> list[tuple[str, str, str]] | None:
    """Of each record of the set: the version in its key, and the contract of the code that wrote it."""
    s3, bucket = deployed.root("s3"), deployed.outputs["CleanBucketName"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=small_set.prefix(extract_id)).get("Contents", [])
    keys = [each["Key"] for each in listed if each["Key"].endswith("_SUCCESS.json")]
    records = [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
    labels = [
        (extract_id, key.partition("transform=")[2].partition("/")[0], record["contract_version"])
        for key, record in zip(keys, records, strict=True)
    ]
    return labels or None
