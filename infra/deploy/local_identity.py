"""Knows the base user's key, which only the stand-in needs: on AWS an instance profile takes its place."""

from __future__ import annotations

from infra.aws.account import AwsAccount


def issue_base_key(account: AwsAccount, user_name: str) -> tuple[str, str]:
    """A new access key (id, secret) of the base user; every older one of theirs stops working."""
    iam = account.client("iam")
    for old in iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user_name, AccessKeyId=old["AccessKeyId"])
    key = iam.create_access_key(UserName=user_name)["AccessKey"]
    return str(key["AccessKeyId"]), str(key["SecretAccessKey"])
