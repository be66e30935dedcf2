"""How the doctor runs its checks, what it makes of AWS's errors, and how its lines look."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from rich.console import Console

from include.contract.adapters import AdapterError
from infra.aws.account import DeployError
from infra.doctor import listing_api
from infra.doctor.finding import Finding, State, mend, ok, skip
from infra.doctor.listing_api import look_at_key
from infra.doctor.registry import CHECKS, Check, examine
from infra.doctor.show import show
from infra.doctor.target import Target
from infra.doctor.web import Answer

TARGET = Target(stage="dev", region="eu-west-1", clients=None)


def target(**changed: Any) -> Target:
    """A stage that reaches nobody."""
    return Target(**{"stage": "dev", "region": "eu-west-1", "clients": None, **changed})


def raising(error: Exception) -> Check:
    """A check that fails in this way."""

    def look(_: Target) -> Finding:
        raise error

    return Check("it", look)


def refusal(code: str, message: str = "", operation: str = "GetRole") -> ClientError:
    """An error answer of AWS."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


# ---------------------------------------------------------------- order
def test_every_check_has_its_own_name_and_comes_after_those_it_needs() -> None:
    """Names are different, and what a check needs stands before it, so that nothing waits for ever."""
    names = [check.name for check in CHECKS]
    assert sorted(set(names)) == sorted(names)
    for position, check in enumerate(CHECKS):
        assert set(check.after) <= set(names[:position])
        assert set(check.waits_for) <= set(names)


def test_what_follows_from_a_fault_names_the_first_cause() -> None:
    """Checks behind one that is to be mended are not asked, and all name that one; those beside it are."""
    asked: list[str] = []

    def look(_: Target) -> Finding:
        asked.append("asked")
        return ok("well")

    found = examine(
        TARGET,
        [
            Check("first", lambda _: mend("broken", "mend it")),
            Check("second", look, ("first",)),
            Check("third", look, ("second",)),
            Check("beside", look, (), ("first",)),
        ],
    )
    assert ["mend", "skip", "skip", "ok"] == [each.state for each in found]
    assert ["needs first", "needs first"] == [each.found for each in found[1:3]]
    assert ["asked"] == asked


# ---------------------------------------------------------------- errors
def test_an_error_of_aws_is_a_finding_with_its_remedy() -> None:
    """What a check did not expect of AWS is told as every command tells it; see the tests of faults."""
    found = told(TARGET, refusal("ExpiredToken"))
    assert ("the credentials have expired (ExpiredToken)", State.MEND) == (found.found, found.state)
    assert "sso login" in found.remedy


def test_who_was_refused_is_the_caller_where_aws_does_not_say_it() -> None:
    """The account's check leaves who the caller is for the others."""
    found = told(target(notes={"caller": "arn:aws:iam::1:user/x"}), refusal("AccessDenied"))
    assert "allow GetRole to arn:aws:iam::1:user/x (IAM, Permissions)" == found.remedy


def test_something_else_on_the_stand_ins_port_is_named() -> None:
    """Locally no proxy stands in between: what answers there is something else."""
    found = told(target(stage="local", endpoint_url="http://127.0.0.1:1"), ResponseParserError("no XML"))
    assert "http://127.0.0.1:1 answers, but not as the stand-in does" == found.found


@pytest.mark.parametrize("refusal", [AdapterError, DeployError])
def test_what_a_person_wrote_is_no_fault_of_the_doctor(refusal: type[Exception]) -> None:
    """A file of theirs that is refused is named in its own words."""
    found = told(TARGET, refusal("zillow56.listings.at: nothing stands at ''"))
    assert (State.MEND, "zillow56.listings.at: nothing stands at ''") == (found.state, found.found)
    assert "correct what it names" in found.remedy


def test_a_fault_of_the_doctor_is_said_to_be_one() -> None:
    """No error gets out, and none that is the doctor's own passes for AWS's."""
    found = told(TARGET, RuntimeError("out of order"))
    assert (State.MEND, "the doctor itself failed: RuntimeError: out of order") == (found.state, found.found)
    assert "infra/doctor" in found.remedy


def told(examined: Target, error: Exception) -> Finding:
    """What the doctor makes of an error in a check."""
    [found] = examine(examined, [raising(error)])
    return found


# ---------------------------------------------------------------- the key before a deploy
@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where a person's key lies."""
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "api_config.json"


def before_a_deploy(root: Path, **changed: Any) -> Finding:
    """The key's check on a stage without a stack, in this checkout."""
    examined = target(root=root, **changed)
    examined.__dict__["outputs"] = {}
    [found] = examine(examined, [Check("api key", look_at_key)])
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "There is no .*api_config.json"),
        ("{", "is not JSON"),
        ('{"key": "x"}', 'expected an object with your RapidAPI key as "x-rapidapi-key"'),
        ('{"x-rapidapi-key": "example-key"}', "still has the example's key"),
    ],
)
def test_a_key_that_is_not_there_yet_is_named(config: Path, text: str | None, words: str) -> None:
    """Before the deploy the key is looked for where `make secrets` will read it."""
    if text is not None:
        config.write_text(text)
    found = before_a_deploy(config.parents[1])
    assert State.MEND is found.state
    assert_matches(words, found.found)
    assert "config/api_config.json" in found.remedy


def test_before_a_deploy_the_key_is_tried_as_it_will_be_used(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request goes to the family's own host over https, with the key of the file."""
    config.write_text('{"x-rapidapi-key": "0123456789"}')
    asked: list[tuple[str, dict[str, str]]] = []

    def answer(url: str, headers: dict[str, str], **_: Any) -> Answer:
        asked.append((url, headers))
        return Answer(200, {}, json.dumps({"results": [{"zpid": 1}]}).encode())

    monkeypatch.setattr(listing_api, "ask", answer)
    found = before_a_deploy(config.parents[1])

    [(url, headers)] = asked
    assert "https://zillow56.p.rapidapi.com/search?output=json&status=forSale&location=houston%2C+tx&page=1" == url
    assert {"x-rapidapi-key": "0123456789", "x-rapidapi-host": "zillow56.p.rapidapi.com"} == headers
    assert (State.OK, "zillow56 gave 1 listings for houston, tx (asked once: one request of the quota)") == (
        found.state,
        found.found,
    )


def test_no_request_is_made_where_none_may_be_spent(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --no-api the key is looked for, and nobody is asked; that it was not tried is said."""
    config.write_text('{"x-rapidapi-key": "0123456789"}')
    monkeypatch.setattr(listing_api, "ask", lambda *_, **__: pytest.fail("the API was asked"))
    found = before_a_deploy(config.parents[1], asks_api=False)
    assert State.SKIP is found.state
    assert "not tried, as --no-api says; there is a key in config/api_config.json" == found.found


def test_without_a_request_a_missing_key_is_named_all_the_same(config: Path) -> None:
    """With --no-api the example's key is still no key."""
    config.write_text('{"x-rapidapi-key": "example-key"}')
    assert State.MEND is before_a_deploy(config.parents[1], asks_api=False).state


# ---------------------------------------------------------------- how it looks
FINDINGS = [
    Finding("account", State.OK, "123456789012 as arn:aws:iam::123456789012:user/deployer, eu-west-1"),
    Finding(
        "connections", State.MEND, "no value: " + ", ".join(["zillow_api"] * 12), "make secrets STAGE=dev REGION=eu"
    ),
    Finding("versions", State.SKIP, "needs functions"),
    Finding("copy queue", State.SKIP, "needs functions"),
    Finding("permissions", State.SKIP, "cannot be told"),
]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    """No line of findings is wider than a terminal of 80 columns or more, nor than a person reads easily."""
    text = shown(FINDINGS, width)
    assert max(map(len, text.splitlines())) <= min(width, 120)


def test_a_remedy_stands_under_its_finding_in_one_line() -> None:
    """What to do can be copied: it is never wrapped."""
    remedy = "aws s3api put-bucket-notification-configuration " + "x" * 200
    lines = shown([Finding("copy queue", State.MEND, "landing tells nobody", remedy)], 80).splitlines()
    assert f"→ {remedy}" == lines[3].strip()


def test_what_was_not_asked_for_one_reason_is_one_line() -> None:
    """Checks that were left out for the same cause share a line, at the end; other skips keep theirs."""
    lines = [" ".join(line.split()) for line in shown(FINDINGS, 100).splitlines()]
    assert "skip not asked versions, copy queue: needs functions" in lines
    assert "skip permissions cannot be told" in lines
    assert "1 to mend, 1 well, 3 not asked" == lines[-1]


def test_before_a_first_deploy_the_last_line_says_go() -> None:
    """Where nothing but the deploy itself is left to do, that is what the last line says."""
    remedy = "make deploy STAGE=dev REGION=eu-west-1"
    findings = [Finding("stack", State.MEND, "not deployed: no stack listings-dev in eu-west-1", remedy)]
    assert f"Nothing else is in the way: {remedy}" == shown(findings, 80).splitlines()[-1]
    assert "2 to mend, 0 well" == shown([*findings, mend("x", "y")], 80).splitlines()[-1]


def shown(findings: list[Finding], width: int) -> str:
    """The doctor's lines on a terminal of this width, without its colours."""
    out = io.StringIO()
    show(TARGET, findings, Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False))
    return out.getvalue()


def test_skips_are_no_fault() -> None:
    """With nothing to mend the last line says that all is well, and how much was not asked."""
    assert "All is well: 1 checks, 1 not asked" == shown([ok("x"), skip("y")], 80).splitlines()[-1]


def assert_matches(pattern: str, said: str) -> None:
    """The pattern is somewhere in what was said."""
    assert re.search(pattern, said), f"{pattern!r} is not in {said!r}"
