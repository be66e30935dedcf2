"""The doctor finds what is wrong with connections, warehouse and API key, each broken on purpose, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from infra.doctor import listing_api
from infra.doctor.finding import State
from tests.support.ministack import free_port
from tests.support.patient import KEY, Patient, assert_named_alone, assert_said, findings, to_mend

Broken = Callable[[Patient], AbstractContextManager[None]]
NO_KEY = {"api key": "connection zillow_api cannot be read: see connections", "api quota": "needs api key"}
NO_ANSWER = {"api quota": "needs api key"}
EXTRA = {"x-rapidapi-host": "zillow56.p.rapidapi.com"}
ANOTHER = {"x-rapidapi-key": "another-example-not-real", **EXTRA}


# ---------------------------------------------------------------- what breaks it, and mends it again
def _secret_gone(name: str) -> Broken:
    @contextlib.contextmanager
    def broken(patient: Patient) -> Iterator[None]:
        secrets, secret_id = patient.root("secretsmanager"), f"airflow/connections/{name}"
        before = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
        secrets.delete_secret(SecretId=secret_id, ForceDeleteWithoutRecovery=True)
        try:
            yield
        finally:
            secrets.create_secret(Name=secret_id, SecretString=before)

    return broken


def _text(name: str, text: str) -> Broken:
    return lambda patient: patient.secret_text(name, text)


def _changed(name: str, **fields: object) -> Broken:
    return lambda patient: patient.connection(name, **fields)


def _fault(**fault: object) -> Broken:
    return lambda patient: patient.fault(**fault)


def _quota(limit: int) -> Broken:
    @contextlib.contextmanager
    def broken(patient: Patient) -> Iterator[None]:
        patient.api.put("/_control/quota", json={"limit": limit}).raise_for_status()
        try:
            yield
        finally:
            patient.api.put("/_control/quota", json={"limit": 10000}).raise_for_status()

    return broken


@contextlib.contextmanager
def _no_reader(patient: Patient) -> Iterator[None]:
    with patient.warehouse.postgres.connect() as admin:
        admin.execute("ALTER ROLE reader RENAME TO reader_away")
        try:
            yield
        finally:
            admin.execute("ALTER ROLE reader_away RENAME TO reader")
            # Renamed, a role with a password of the old kind loses it; ours keeps it.


BROKEN: dict[str, tuple[Broken, str, str, dict[str, str]]] = {
    "the key's secret has no value": (_secret_gone("zillow_api"), "connections", "no value: zillow_api$", NO_KEY),
    "Redshift's secret has no value": (
        _secret_gone("conn_id_redshift"),
        "connections",
        "no value: conn_id_redshift$",
        {"warehouse": "connection conn_id_redshift cannot be read: see connections"},
    ),
    "the copy role's secret has no value": (
        _secret_gone("redshift_copy_role"),
        "connections",
        "no value: redshift_copy_role$",
        {},
    ),
    "a secret is no JSON": (
        _text("aws_s3_conn", "aws://?role_arn=x"),
        "connections",
        "aws_s3_conn is not Airflow's JSON",
        {},
    ),
    "a connection of another type": (
        _changed("redshift_copy_role", conn_type="redshift"),
        "connections",
        "redshift_copy_role has conn_type redshift, expected aws",
        {},
    ),
    "a connection without a host": (
        _changed("zillow_com1_api", host=None),
        "connections",
        "zillow_com1_api lacks host$",
        {},
    ),
    "a key over plain http": (
        _changed("zillow_com4_api", host="http://zillow-com4.example.com"),
        "connections",
        "zillow_com4_api sends its key over plain http",
        {},
    ),
    "the wrong password": (
        _changed("conn_id_redshift", password="wrong-example-not-real"),
        "warehouse",
        "wrong password for loader at 127.0.0.1",
        {},
    ),
    "a database that is not there": (
        _changed("conn_id_redshift", schema="absent"),
        "warehouse",
        "the database is missing at 127.0.0.1.*absent",
        {},
    ),
    "a warehouse that does not answer": (
        _changed("conn_id_redshift", port=free_port()),
        "warehouse",
        "Redshift at 127.0.0.1:.* is not reachable: .*refused",
        {},
    ),
    "no reader": (_no_reader, "warehouse", "no user reader at 127.0.0.1", {}),
    "another copy role": (
        _changed("redshift_copy_role", extra={"role_arn": "arn:aws:iam::000000000000:role/another"}),
        "copy role",
        "redshift_copy_role names arn:aws:iam::000000000000:role/another, the stack has arn:.*redshift-copy",
        {},
    ),
    "a region at the copy role": (
        _changed(
            "redshift_copy_role",
            extra={
                "role_arn": "arn:aws:iam::000000000000:role/listings-local-redshift-copy",
                "region_name": "us-east-1",
            },
        ),
        "copy role",
        "redshift_copy_role names a region",
        {},
    ),
    "a key that the API does not know": (
        _changed("zillow_api", extra=ANOTHER),
        "api key",
        r"zillow56 refuses the key \(403: You are not subscribed to this API",
        NO_ANSWER,
    ),
    "a refused key": (
        _fault(status=401, body={"message": "Invalid API key. Go to https://docs.rapidapi.com for more info."}),
        "api key",
        r"zillow56 refuses the key \(401: Invalid API key",
        NO_ANSWER,
    ),
    "a used-up quota": (
        _quota(0),
        "api key",
        r"the quota is used up \(429: You have exceeded the MONTHLY quota",
        NO_ANSWER,
    ),
    "too many requests": (
        _fault(status=429, headers={"Retry-After": "1"}, body={"message": "Too many requests"}),
        "api key",
        r"too many requests at this moment \(429: Too many requests\)",
        NO_ANSWER,
    ),
    "an API that does not answer": (
        _changed("zillow_api", port=free_port()),
        "api key",
        "http://127.0.0.1 does not answer: .*refused",
        NO_ANSWER,
    ),
    "an API that hangs up": (_fault(reset=True), "api key", "http://127.0.0.1 does not answer: ", NO_ANSWER),
    "a page without listings": (
        _fault(status=200, body={"message": "no such search"}),
        "api key",
        "zillow56 answered 200 without listings: no such search",
        NO_ANSWER,
    ),
    "a page that is HTML": (
        _fault(status=200, body="<html>sign in</html>"),
        "api key",
        "zillow56 answered 200 without listings: <html>sign in",
        NO_ANSWER,
    ),
    "an empty page": (
        _fault(status=200, body={"results": []}),
        "api key",
        "zillow56 gave an empty page for houston, tx",
        NO_ANSWER,
    ),
    "an outage of the API": (
        _fault(status=503, body={"message": "under maintenance"}),
        "api key",
        "zillow56 answered 503: under maintenance",
        NO_ANSWER,
    ),
    "a redirect": (
        _fault(status=302, headers={"Location": "http://127.0.0.1:1/"}, body=""),
        "api key",
        "zillow56 answered 302",
        NO_ANSWER,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_and_nothing_else(patient: Patient, case: str) -> None:
    """One thing broken turns its own line, with what to do, and no other; what depends on it is left out."""
    assert_named_alone(patient, *BROKEN[case])


def test_a_quota_below_a_daily_run_is_told_beforehand(patient: Patient) -> None:
    """With fewer requests left than a daily run takes, the key is well and the quota is not."""
    with _quota(patient.requests() + 46)(patient):
        found = findings(patient.target(), parse=True)
    assert ["api quota"] == to_mend(found)
    assert_said(r"^\d\d of \d+ requests are left, a daily run takes up to 60", found["api quota"].found)


def test_one_request_is_all_that_a_look_costs(patient: Patient) -> None:
    """A look at everything makes one request of the API, also when the answer is refused."""
    before = patient.requests()
    findings(patient.target())
    assert before + 1 == patient.requests()
    with patient.fault(status=401, body={"message": "no"}):
        findings(patient.target())
    assert before + 2 == patient.requests()


@pytest.mark.parametrize("fault", [{"drip_seconds": 0.2}, {"delay_seconds": 5}], ids=["drips", "says nothing"])
def test_an_answer_that_does_not_come_is_not_waited_for(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, fault: dict[str, float]
) -> None:
    """An API that answers byte by byte, or not at all, is given up after twice the patience."""
    monkeypatch.setattr(listing_api, "PATIENCE_SECONDS", 0.5)
    with patient.fault(**fault):
        found = findings(patient.target())
    assert ["api key"] == to_mend(found)
    assert_said(
        "http://127.0.0.1 does not answer: (the answer does not come to its end|timed out)", found["api key"].found
    )


def test_no_finding_has_a_secret_in_it(patient: Patient) -> None:
    """Neither key nor password stands in any line, not even when the API repeats the key."""
    with patient.fault(status=403, body={"message": f"The key {KEY} is not subscribed"}):
        found = list(findings(patient.target()).values())
    with patient.connection("conn_id_redshift", password="wrong-example-not-real"):
        found += findings(patient.target()).values()
    told = " ".join(f"{each.found} {each.remedy}" for each in found)
    assert "is not subscribed" in told
    for secret in (KEY, "wrong-example-not-real", patient.secret("conn_id_redshift")["password"]):
        assert secret not in told


def test_a_mail_server_is_named_where_there_is_one(patient: Patient) -> None:
    """Without smtp_listings the connections are well and say so; with it they name it; a broken one is named."""
    assert "no mail server" in findings(patient.target())["connections"].found
    secrets, name = patient.root("secretsmanager"), "airflow/connections/smtp_listings"
    secrets.put_secret_value(SecretId=name, SecretString='{"conn_type": "smtp", "host": "127.0.0.1"}')
    assert "mail by smtp_listings" in findings(patient.target())["connections"].found
    secrets.put_secret_value(SecretId=name, SecretString='{"conn_type": "smtp"}')
    assert "smtp_listings lacks host" in findings(patient.target())["connections"].found
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name=name)


def test_after_all_that_the_stack_is_well_again(patient: Patient) -> None:
    """What the tests above broke they mended, so that none of them found what another had left."""
    found = findings(patient.target())
    assert {State.OK} == {finding.state for finding in found.values()}
