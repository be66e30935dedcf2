"""Knows a stage on AWS by its name: whether it may be called so, and which region it is in."""

from __future__ import annotations

from botocore.exceptions import ClientError

from infra.aws.account import LOCAL_REGION, LOCAL_STAGE, AwsAccount, DeployError
from infra.aws.faults import is_denied
from infra.aws.parameters import refuse_wrong
from infra.deploy.deploy import Place


def place_of(stage: str, region: str | None, endpoint_url: str | None = None) -> Place:
    """The place of a stage: in the region where its code bucket is, and if there is none in `region` or us-east-1.

    A bucket's name is one in the world, so that a stage is in one region of an account and remembers which. Raises
    DeployError for a stage that cannot be called so, and for a region that is not the stage's.
    """
    if stage == LOCAL_STAGE:
        raise DeployError(
            "Stage local is the stand-in: make up and make down are its commands. Name another, like dev."
        )
    refuse_wrong({"Stage": stage}, {"Stage": "STAGE"})
    place = Place(AwsAccount(endpoint_url, region or LOCAL_REGION), stage)
    found = _region_of(place)
    if found is None or found == place.account.region:
        return place
    if region is not None:
        raise DeployError(
            f"Stage {stage} is in {found}, not in {region}. Leave REGION away to mean that one; for a stage in "
            f"{region} choose another name."
        )
    return Place(AwsAccount(endpoint_url, found), stage)


def _region_of(place: Place) -> str | None:
    """The region of the stage's code bucket; None while it has none."""
    try:
        return place.code.s3.get_bucket_location(Bucket=place.code.name)["LocationConstraint"] or "us-east-1"
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchBucket", "404"):
            return None
        if is_denied(error):
            raise place.code.refused(error, "s3:GetBucketLocation") from error
        raise
