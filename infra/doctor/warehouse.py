"""Knows how to reach Redshift, by its Data API on AWS and by a connection locally, and what must be in it."""

from __future__ import annotations

from typing import Any

import psycopg
from botocore.exceptions import ClientError

from infra.aws.account import DeployError
from infra.aws.faults import is_denied, is_skewed
from infra.deploy.warehouse import LOADER, READER, Warehouse
from infra.doctor.finding import Finding, Stopped, mend, ok
from infra.doctor.storage import rebuild
from infra.doctor.target import Target

CONNECTION = "conn_id_redshift"
_USERS = "SELECT usename::varchar FROM pg_user WHERE usename IN ('loader', 'reader')"


def look_at_warehouse(target: Target) -> Finding:
    """Whether Redshift answers, and has the users and on AWS the role that the pipeline works with."""
    return _by_connection(target) if target.is_local else _by_data_api(target)


def look_at_warehouse_role(target: Target) -> Finding:
    """Whether the namespace may take on the role of COPY."""
    namespace, arn = target.output("RedshiftNamespaceName"), target.output("RedshiftCopyRoleArn")
    told = _namespace(target)
    # Each is a text like IamRole(applyStatus=in-sync, iamRoleArn=arn:…).
    mine = [str(each) for each in told.get("iamRoles", []) if arn in str(each)]
    if not mine:
        return mend(
            f"{namespace} does not have {arn.rsplit('/', 1)[1]}: every COPY fails",
            rebuild(target),
        )
    if "applyStatus=" in mine[0] and "in-sync" not in mine[0]:
        return mend(
            f"{namespace} does not have {arn.rsplit('/', 1)[1]} yet: {mine[0]}", "wait a minute, then look again"
        )
    return ok(f"{namespace} has {arn.rsplit('/', 1)[1]}")


def _by_connection(target: Target) -> Finding:
    told = target.connection(CONNECTION)
    where = f"{told.get('host')}:{told.get('port') or 5439}"
    ssl = "disable" if told["extra"].get("ssl") is False else "require"
    try:
        with psycopg.connect(
            host=str(told.get("host")),
            port=int(told.get("port") or 5439),
            dbname=str(told.get("schema")),
            user=str(told.get("login")),
            password=str(told.get("password")),
            sslmode=ssl,
            connect_timeout=5,
            autocommit=True,
            prepare_threshold=None,
        ) as connection:
            users = {str(row[0]) for row in connection.execute(_USERS).fetchall()}
    except psycopg.Error as error:
        return _refused(
            target, str(error), where, str(told.get("login")), "make down; make up; make status shows what runs"
        )
    return _with_users(users, where, "make down; make up makes the users")


def _by_data_api(target: Target) -> Finding:
    """As the administrator, through the API: the workgroup itself is in a private network."""
    workgroup, database = target.output("RedshiftWorkgroupName"), target.output("RedshiftDatabase")
    other = _otherwise_connected(target, database)
    if other is not None:
        return other
    namespace = _namespace(target)
    warehouse = Warehouse(target.client("redshift-data"), workgroup, database, namespace["adminPasswordSecretArn"])
    remedy = f"look at workgroup {workgroup} in the Redshift console, {target.region}"
    try:
        users = {str(row[0]["stringValue"]) for row in warehouse.run(_USERS)}
    except DeployError as error:
        return _refused(target, str(error), workgroup, "its administrator", remedy)
    except ClientError as error:
        if is_denied(error) or is_skewed(error):
            raise
        return _refused(target, str(error.response["Error"].get("Message")), workgroup, "its administrator", remedy)
    return _with_users(users, f"{workgroup}, database {database},", target.command("secrets"))


def _namespace(target: Target) -> dict[str, Any]:
    name, client = target.output("RedshiftNamespaceName"), target.client("redshift-serverless")
    try:
        found: dict[str, Any] = client.get_namespace(namespaceName=name)["namespace"]
    except client.exceptions.ResourceNotFoundException:
        raise Stopped(mend(f"there is no namespace {name}", rebuild(target))) from None
    return found


def _otherwise_connected(target: Target, database: str) -> Finding | None:
    """Where Airflow's connection is to another warehouse than the stack's; that it has no value is not said here."""
    try:
        told = target.connection(CONNECTION)
    except Stopped:
        return None
    expected = {"host": target.output("RedshiftEndpointAddress"), "schema": database}
    for field, value in expected.items():
        if told.get(field) != value:
            return mend(f"{CONNECTION} has {field} {told.get(field)}, the stack has {value}", target.command("secrets"))
    return None


def _refused(target: Target, words: str, where: str, login: str, otherwise: str) -> Finding:
    """What a failed connection means, by the words of server or driver."""
    said = " ".join(words.split())
    if "password authentication failed" in said:
        return mend(
            f"wrong password for {login} at {where}", target.command("secrets") if not target.is_local else otherwise
        )
    if "database" in said and "does not exist" in said:
        return mend(f"the database is missing at {where}: {said[:200]}", otherwise)
    return mend(f"Redshift at {where} is not reachable: {said[:300]}", otherwise)


def _with_users(users: set[str], where: str, remedy: str) -> Finding:
    missing = [each for each in (LOADER, READER) if each not in users]
    if missing:
        return mend(f"no user {', '.join(missing)} at {where}", remedy)
    return ok(f"{where} answers; users loader and reader")
