"""Knows what the warehouse needs that CloudFormation has no type for: its two users, and how much it may cost."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.aws.account import AwsAccount, DeployError

LOADER, READER = "loader", "reader"
FIRST_RPU_HOURS = 16
_DONE = {"FINISHED", "FAILED", "ABORTED"}


def set_usage_limit(account: AwsAccount, workgroup_arn: str, rpu_hours: int | None) -> int:
    """Sets after how many RPU hours a day Redshift takes no more queries; returns how many they are.

    None leaves the limit that is there, and makes the first one.
    """
    redshift = account.client("redshift-serverless")
    found = redshift.list_usage_limits(resourceArn=workgroup_arn, usageType="serverless-compute")
    daily = next((limit for limit in found.get("usageLimits", []) if limit["period"] == "daily"), None)
    if daily is None:
        made = redshift.create_usage_limit(
            resourceArn=workgroup_arn,
            usageType="serverless-compute",
            period="daily",
            amount=rpu_hours or FIRST_RPU_HOURS,
            breachAction="deactivate",
        )
        return int(made["usageLimit"]["amount"])
    if rpu_hours is None or rpu_hours == daily["amount"]:
        return int(daily["amount"])
    redshift.update_usage_limit(usageLimitId=daily["usageLimitId"], amount=rpu_hours)
    return rpu_hours


@dataclass(frozen=True)
class Warehouse:
    """The workgroup through the Data API, which reaches it in its private network, as its administrator."""

    data: Any
    workgroup: str
    database: str
    admin_secret_arn: str
    wait: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, account: AwsAccount, outputs: dict[str, str]) -> Warehouse:
        """The warehouse of a stack, by its outputs."""
        namespace = account.client("redshift-serverless").get_namespace(namespaceName=outputs["RedshiftNamespaceName"])[
            "namespace"
        ]
        return cls(
            account.client("redshift-data"),
            outputs["RedshiftWorkgroupName"],
            outputs["RedshiftDatabase"],
            namespace["adminPasswordSecretArn"],
        )

    def set_password(self, user: str, password: str) -> None:
        """Gives a user this password; makes the user when there is none. The loader may make schemas, and
        what public holds.

        Redshift is sent the password's hash, so that no query log has it. Raises DeployError with Redshift's words.
        """
        hashed = f"md5{hashlib.md5(f'{password}{user}'.encode()).hexdigest()}"  # noqa: S324  Redshift's own form
        known = self.run(f"select 1 from pg_user where usename = '{_name(user)}'")  # noqa: S608  a name
        self.run(f"{'alter' if known else 'create'} user {_name(user)} password '{hashed}'")
        if user == LOADER:
            self.run(f"grant create on database {_name(self.database)} to {_name(user)}")
            # The migrations make a view in public and let the reader see it.
            self.run(f"grant usage, create on schema public to {_name(user)} with grant option")

    def close_public(self) -> None:
        """Takes from everybody the leave to make tables in public, which Redshift gives; grants by name stay."""
        self.run("revoke create on schema public from public")

    def run(self, sql: str) -> list[list[dict[str, Any]]]:
        """Runs one statement and returns its rows; raises DeployError when it fails or takes over two minutes."""
        statement = self.data.execute_statement(
            WorkgroupName=self.workgroup, Database=self.database, SecretArn=self.admin_secret_arn, Sql=sql
        )["Id"]
        for _ in range(240):
            found = self.data.describe_statement(Id=statement)
            if found["Status"] in _DONE:
                break
            self.wait(0.5)
        if found["Status"] != "FINISHED":
            raise DeployError(
                f"The warehouse {self.workgroup} did not do what was asked ({found['Status']}): "
                f"{found.get('Error', 'no answer in two minutes')}. Asked: {sql.split(' password ')[0]}"
            )
        return list(self.data.get_statement_result(Id=statement)["Records"]) if found["HasResultSet"] else []


def _name(text: str) -> str:
    """A name that may stand in a statement as it is."""
    assert re.fullmatch(r"[a-z_]+", text), text
    return text
