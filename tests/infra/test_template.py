"""What the template must say; above all what the stand-in accepts without heeding it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.base.keys import SetKey, withdrawal_key
from include.base.settings import Tuning
from infra.aws.connections import HOSTS
from lambda_functions.copy_raw import handler as copy_raw
from tests.support.template import (
    TEMPLATE_FILE,
    as_list,
    looked_up,
    of_type,
    read_template,
    statements,
    without_intrinsics,
)

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
WORK_QUEUES = {"CopyQueue": "CopyDeadLetterQueue", "TransformQueue": "TransformDeadLetterQueue"}
APIS = set(HOSTS)
CONNECTIONS = APIS | {"aws_s3_conn", "conn_id_redshift", "redshift_copy_role", "smtp_listings"}

# Each resource with a wildcard, and why it needs one.
WILDCARDS = {
    "${LandingBucket.Arn}/*": "the TLS rule is about every object",
    "${RawBucket.Arn}/*": "the TLS rule is about every object",
    "${CleanBucket.Arn}/*": "the TLS rule is about every object",
    "${LandingBucket.Arn}/listings/*": "a set's keys carry source, market, date and extract id",
    "${LandingBucket.Arn}/errors/*": "error bodies lie under the same path as pages",
    "${LandingBucket.Arn}/quota/*": "a ledger per family and month, of numbered entries",
    "${RawBucket.Arn}/listings/*": "a set's keys carry source, market, date and extract id",
    "${RawBucket.Arn}/listings/*/_manifest.json": "one manifest per set",
    "${RawBucket.Arn}/withdrawn/*": "one object per withdrawn set",
    "${CleanBucket.Arn}/listings/*": "a set's keys carry source, market, date and extract id",
    "${CleanBucket.Arn}/ready/*": "one marker per set",
    "${CleanBucket.Arn}/loads/*": "one COPY manifest per batch",
    "${CleanBucket.Arn}/reports/*": "one report per date",
    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    "/aws/lambda/${Project}-${Stage}-copy-raw:*": "a log stream per worker",
    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    "/aws/lambda/${Project}-${Stage}-transform-listings:*": "a log stream per worker",
    "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
    "airflow/connections/*": "Airflow asks for connections that nobody defined, and secrets end in random",
    "${LogBucket.Arn}/*": "the TLS rule is about every object",
    "${LogBucket.Arn}/task-logs/*": "a log per task and try",
    "${LogBucket.Arn}/access-logs/*": "S3 names each log after its time and something random",
    "arn:${AWS::Partition}:s3:::${CodeBucket}/releases/*": "a bundle per release",
    "*": "actions that know no resources: SSM's agent, metrics, the account's public access, lists of log groups",
    "arn:${AWS::Partition}:s3:::${CodeBucket}/*": "MWAA's guide",
    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    "airflow-${Project}-${Stage}-*": "MWAA names its log groups after the environment and the component",
    "arn:${AWS::Partition}:sqs:${AWS::Region}:*:airflow-celery-*": "MWAA's guide: the queue is not in our account",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return read_template()


def test_cfn_lint_finds_nothing() -> None:
    """cfn-lint has no error or warning for the template, in a region of America and in one of Europe."""
    linted = subprocess.run(
        [str(CFN_LINT), "--regions", "us-east-1", "eu-west-1", "--template", str(TEMPLATE_FILE)],
        capture_output=True,
        text=True,
    )
    assert (0, "", "") == (linted.returncode, linted.stdout, linted.stderr)


def test_template_fits_into_what_cloudformation_fetches(template: dict[str, Any]) -> None:
    """The template is within the megabyte, the 500 resources and the 200 parameters that CloudFormation takes."""
    assert TEMPLATE_FILE.stat().st_size <= 1_000_000
    assert len(template["Resources"]) <= 500
    assert len(template["Parameters"]) <= 200


def test_every_statement_says_what_needs_it(template: dict[str, Any]) -> None:
    """Every policy statement has a Sid, and within a resource no two share one."""
    seen: dict[str, list[str]] = {}
    for resource, statement in statements(template):
        assert statement.get("Sid", "").isalnum(), f"{resource}: {statement}"
        seen.setdefault(resource, []).append(statement["Sid"])
    assert len(seen) >= 11  # four roles, the user, six queue, bucket and topic policies
    assert {name: sorted(set(sids)) for name, sids in seen.items()} == {n: sorted(s) for n, s in seen.items()}


def test_no_statement_allows_a_wildcard_action(template: dict[str, Any]) -> None:
    """Only a denial names actions by wildcard, and what MWAA's guide gives its execution role."""
    wild = [
        (resource, action)
        for resource, statement in statements(template)
        for action in as_list(statement["Action"])
        if "*" in action and statement["Effect"] != "Deny"
    ]
    mwaa = ["s3:GetObject*", "s3:GetBucket*", "s3:List*", "kms:GenerateDataKey*"]
    assert [("AirflowRole", action) for action in mwaa] == wild


def test_every_wildcard_resource_is_justified(template: dict[str, Any]) -> None:
    """A resource with a wildcard is one of those listed here with a reason, and each listed one is used."""
    wild = {
        text
        for _, statement in statements(template)
        for text in map(without_intrinsics, as_list(statement.get("Resource", [])))
        if "*" in text
    }
    assert set(WILDCARDS) == wild


def test_nobody_is_allowed_without_being_named(template: dict[str, Any]) -> None:
    """No allowing statement has everybody as its principal."""
    open_to_all = [
        resource
        for resource, statement in statements(template)
        if statement["Effect"] == "Allow" and "*" in str(statement.get("Principal", ""))
    ]
    assert [] == open_to_all


def test_roles_trust_one_service_on_aws(template: dict[str, Any]) -> None:
    """On AWS each role is assumed by its own service only; users and accounts are trusted locally only."""
    trusted = {}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        principal = statement["Principal"]
        if "Fn::If" in principal:
            condition, _, principal = principal["Fn::If"]
            assert condition == "IsLocal"
        if "Fn::If" in principal:
            _, _, principal = principal["Fn::If"]  # on a host; on MWAA see below
        trusted[name] = principal
    assert {
        "CopyRole": {"Service": "lambda.amazonaws.com"},
        "TransformRole": {"Service": "lambda.amazonaws.com"},
        "AirflowRole": {"Service": "ec2.amazonaws.com"},
        "RedshiftCopyRole": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
    } == trusted


def test_base_user_is_local_and_may_only_become_airflow(template: dict[str, Any]) -> None:
    """The only user exists locally only, and its one permission is to assume the Airflow role."""
    [(_, user)] = of_type(template, "AWS::IAM::User").items()
    assert user["Condition"] == "IsLocal"
    [policy] = user["Properties"]["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert ("sts:AssumeRole", "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${Project}-${Stage}-airflow") == (
        statement["Action"],
        without_intrinsics(statement["Resource"]),
    )


def test_redshift_role_reaches_the_clean_bucket_only(template: dict[str, Any]) -> None:
    """COPY's role reads sets and manifests of the clean bucket, lists it, and does nothing else."""
    role = template["Resources"]["RedshiftCopyRole"]["Properties"]
    allowed = {
        (as_list(statement["Action"])[0], without_intrinsics(resource))
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in as_list(statement["Resource"])
    }
    assert {
        ("s3:GetObject", "${CleanBucket.Arn}/listings/*"),
        ("s3:GetObject", "${CleanBucket.Arn}/loads/*"),
        ("s3:ListBucket", "CleanBucket.Arn"),
    } == allowed


def test_airflow_puts_and_deletes_nothing_in_raw_but_withdrawals(template: dict[str, Any]) -> None:
    """What was received cannot be changed by Airflow, and nothing else of any bucket can be deleted by it."""
    statements_of_it = [each for resource, each in statements(template) if resource == "AirflowRole"]
    changes = {
        (action, without_intrinsics(resource))
        for statement in statements_of_it
        for action in as_list(statement["Action"])
        for resource in as_list(statement.get("Resource", []))
        if "Raw" in str(resource) or action.startswith("s3:Delete")
        if action not in ("s3:GetObject", "s3:ListBucket")
    }
    withdrawn = "${RawBucket.Arn}/withdrawn/*"
    assert {("s3:PutObject", withdrawn), ("s3:DeleteObject", withdrawn)} == changes


@pytest.mark.parametrize("bucket", ["LandingBucket", "RawBucket", "CleanBucket", "LogBucket"])
class TestBucket:
    """What holds for each of the buckets."""

    def test_is_encrypted(self, template: dict[str, Any], bucket: str) -> None:
        """Objects are encrypted with AES256 unless the writer says otherwise."""
        encryption = template["Resources"][bucket]["Properties"]["BucketEncryption"]
        assert {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        } == encryption

    def test_is_closed_to_the_public(self, template: dict[str, Any], bucket: str) -> None:
        """All four blocks of public access are on, and no access list can open an object."""
        properties = template["Resources"][bucket]["Properties"]
        assert {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        } == properties["PublicAccessBlockConfiguration"]
        assert [{"ObjectOwnership": "BucketOwnerEnforced"}] == properties["OwnershipControls"]["Rules"]

    def test_refuses_plain_http_on_aws(self, template: dict[str, Any], bucket: str) -> None:
        """On AWS a request without TLS is denied, for the bucket and for every object in it."""
        [policy] = [
            part
            for part in of_type(template, "AWS::S3::BucketPolicy").values()
            if part["Properties"]["Bucket"] == {"Ref": bucket}
        ]
        assert policy["Condition"] == template["Resources"][bucket].get("Condition", "IsAws")
        statement = policy["Properties"]["PolicyDocument"]["Statement"][0]
        assert ("Deny", "*", "s3:*") == (statement["Effect"], statement["Principal"], statement["Action"])
        assert {"Bool": {"aws:SecureTransport": "false"}} == statement["Condition"]
        assert [f"{bucket}.Arn", f"${{{bucket}.Arn}}/*"] == [without_intrinsics(r) for r in statement["Resource"]]

    def test_outlives_the_stack(self, template: dict[str, Any], bucket: str) -> None:
        """Deleting the stack keeps the bucket; a creation that fails does not."""
        part = template["Resources"][bucket]
        assert ("RetainExceptOnCreate", "Retain") == (part["DeletionPolicy"], part["UpdateReplacePolicy"])

    def test_drops_torn_uploads(self, template: dict[str, Any], bucket: str) -> None:
        """An upload that was never completed is dropped after two days."""
        rules = template["Resources"][bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert [2] == [
            rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            for rule in rules
            if "AbortIncompleteMultipartUpload" in rule and rule["Status"] == "Enabled"
        ]


def _lifetimes(template: dict[str, Any], bucket: str) -> dict[str, int]:
    """Days until the objects under each prefix expire."""
    rules = template["Resources"][bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule.get("Prefix", ""): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


def test_what_was_received_is_versioned(template: dict[str, Any]) -> None:
    """Landing and raw keep the versions of an object, and drop the old ones after a while."""
    for bucket in ("LandingBucket", "RawBucket"):
        properties = template["Resources"][bucket]["Properties"]
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        rules = properties["LifecycleConfiguration"]["Rules"]
        assert 1 == sum("NoncurrentVersionExpiration" in rule for rule in rules)


def test_raw_is_kept_and_clean_outlives_landing(template: dict[str, Any]) -> None:
    """Raw never expires; clean sets and their markers outlive landed ones, or they would be taken for lost."""
    assert {} == _lifetimes(template, "RawBucket")
    landing, clean = _lifetimes(template, "LandingBucket"), _lifetimes(template, "CleanBucket")
    assert {"listings/", "errors/", "quota/"} == set(landing)
    assert min(clean["listings/"], clean["ready/"]) > landing["listings/"]


def test_notices_and_reports_of_replays_are_there_for_a_year(template: dict[str, Any]) -> None:
    """As long as the clean sets that they are about; other reports stay."""
    lifetimes = _lifetimes(template, "CleanBucket")
    about = {prefix: days for prefix, days in lifetimes.items() if prefix.startswith("reports/")}
    assert {"reports/notices/": 400, "reports/replays/": 400} == about
    assert "" not in lifetimes


def test_the_greatest_pages_fit_into_the_copy_s_memory(template: dict[str, Any]) -> None:
    """What is copied at once, each page of the greatest size and three times in memory, leaves Python its 100 MB."""
    pages = copy_raw._PARALLEL_PAGES * 3 * Tuning().page_bytes_limit / 1e6
    assert pages + 100 <= template["Mappings"]["Sizing"]["copy"]["Memory"]


def test_quota_ledgers_are_there_for_a_year(template: dict[str, Any]) -> None:
    """What was spent can be looked up for more than a year, then it goes."""
    assert 400 == _lifetimes(template, "LandingBucket")["quota/"]


@pytest.mark.parametrize("queue", WORK_QUEUES)
def test_queue_has_its_own_dead_letter_queue(template: dict[str, Any], queue: str) -> None:
    """After five attempts a message goes to the queue's own dead-letter queue, which keeps it for longer."""
    properties = template["Resources"][queue]["Properties"]
    assert {
        "deadLetterTargetArn": {"Fn::GetAtt": [WORK_QUEUES[queue], "Arn"]},
        "maxReceiveCount": 5,
    } == properties["RedrivePolicy"]
    dead = template["Resources"][WORK_QUEUES[queue]]["Properties"]
    assert dead["MessageRetentionPeriod"] > properties["MessageRetentionPeriod"]


def test_queues_are_encrypted(template: dict[str, Any]) -> None:
    """Every queue, dead-letter queues included, encrypts what it holds."""
    queues = of_type(template, "AWS::SQS::Queue")
    assert dict.fromkeys(queues, True) == {n: q["Properties"].get("SqsManagedSseEnabled") for n, q in queues.items()}


@pytest.mark.parametrize(
    ("bucket", "queue", "policy", "announced_by"),
    [
        ("LandingBucket", "CopyQueue", "CopyQueuePolicy", "landing"),
        ("RawBucket", "TransformQueue", "TransformQueuePolicy", "raw"),
    ],
)
def test_bucket_announces_manifests_only(
    template: dict[str, Any], bucket: str, queue: str, policy: str, announced_by: str
) -> None:
    """A bucket sends the events of manifests of sets to its queue, and no other bucket may."""
    part = template["Resources"][bucket]
    assert policy == part["DependsOn"]
    [configuration] = part["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {"Fn::GetAtt": [queue, "Arn"]} == configuration["Queue"]
    rules = configuration["Filter"]["S3Key"]["Rules"]
    assert {"prefix": "listings/", "suffix": "_manifest.json"} == {r["Name"]: r["Value"] for r in rules}
    [statement] = template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
    assert {
        "ArnEquals": {
            "aws:SourceArn": {
                "Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{Project}}-${{Stage}}-{announced_by}-${{AWS::AccountId}}"
            }
        },
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    } == statement["Condition"]


def test_a_withdrawal_is_announced_to_no_function(template: dict[str, Any]) -> None:
    """The object that withdraws a set passes no filter of the raw bucket: nothing is copied or cleaned for it."""
    notified = template["Resources"]["RawBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    filters = [{r["Name"]: r["Value"] for r in each["Filter"]["S3Key"]["Rules"]} for each in notified]
    key = withdrawal_key(SetKey("zillow56", "houston-tx", "2026-11-22", "20261122T060003Z-1f3a9c"))
    assert [False] == [key.startswith(each["prefix"]) for each in filters]


@pytest.mark.parametrize(
    ("trigger", "queue", "function"),
    [
        ("CopyTrigger", "CopyQueue", "CopyFunction"),
        ("TransformTrigger", "TransformQueue", "TransformFunction"),
    ],
)
class TestTrigger:
    """What holds between a queue and its function."""

    def test_hands_over_one_set_and_hears_of_failures(
        self, template: dict[str, Any], trigger: str, queue: str, function: str
    ) -> None:
        """A function gets one message at a time from its own queue, and reports failed ones."""
        properties = template["Resources"][trigger]["Properties"]
        assert ({"Fn::GetAtt": [queue, "Arn"]}, {"Ref": function}, 1, ["ReportBatchItemFailures"]) == (
            properties["EventSourceArn"],
            properties["FunctionName"],
            properties["BatchSize"],
            properties["FunctionResponseTypes"],
        )

    def test_concurrency_is_a_literal(self, template: dict[str, Any], trigger: str, queue: str, function: str) -> None:
        """MaximumConcurrency is a number in the template, not a parameter, and AWS's least is two."""
        scaling = template["Resources"][trigger]["Properties"]["ScalingConfig"]
        concurrency = looked_up(template, scaling["MaximumConcurrency"])
        assert isinstance(concurrency, int)
        assert 2 <= concurrency <= 1000

    def test_message_stays_hidden_for_six_timeouts(
        self, template: dict[str, Any], trigger: str, queue: str, function: str
    ) -> None:
        """The queue hides a message for at least six times as long as the function may run."""
        visibility = looked_up(template, template["Resources"][queue]["Properties"]["VisibilityTimeout"])
        timeout = looked_up(template, template["Resources"][function]["Properties"]["Timeout"])
        assert visibility >= 6 * timeout


def test_functions_log_into_groups_that_forget(template: dict[str, Any]) -> None:
    """Every function logs into a group of the template, and every group drops its lines after 30 days."""
    groups = of_type(template, "AWS::Logs::LogGroup")
    assert dict.fromkeys(groups, 30) == {name: g["Properties"].get("RetentionInDays") for name, g in groups.items()}
    used = {
        f["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for f in of_type(template, "AWS::Lambda::Function").values()
    }
    assert set(groups) == used


def test_secrets_are_the_connections_and_carry_no_value(template: dict[str, Any]) -> None:
    """There is a secret for each Airflow connection, with a name and a description and nothing else."""
    secrets = of_type(template, "AWS::SecretsManager::Secret").values()
    wanted = {f"airflow/connections/{name}" for name in CONNECTIONS} | {"${Project}/${Stage}/warehouse-reader"}
    assert wanted == {without_intrinsics(s["Properties"]["Name"]) for s in secrets}
    assert {"Name", "Description"} == {key for s in secrets for key in s["Properties"]}


def _watched(template: dict[str, Any]) -> set[tuple[str, str]]:
    found = set()
    for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
        [dimension] = alarm["Properties"]["Dimensions"]
        [reference] = dimension["Value"].values()
        found.add((alarm["Properties"]["MetricName"], reference if isinstance(reference, str) else reference[0]))
    return found


def test_what_can_go_wrong_has_an_alarm(template: dict[str, Any]) -> None:
    """Dead letters, old messages, errors and throttles ring for each queue and function; on a host Airflow does."""
    assert {
        ("ApproximateNumberOfMessagesVisible", "CopyDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "TransformDeadLetterQueue"),
        ("ApproximateAgeOfOldestMessage", "CopyQueue"),
        ("ApproximateAgeOfOldestMessage", "TransformQueue"),
        ("Errors", "CopyFunction"),
        ("Errors", "TransformFunction"),
        ("Throttles", "CopyFunction"),
        ("Throttles", "TransformFunction"),
        ("Healthy", "Stage"),
        ("StatusCheckFailed", "AirflowInstance"),
    } == _watched(template)


def test_alarms_reach_the_topic(template: dict[str, Any]) -> None:
    """Every alarm tells the topic, which CloudWatch may publish to and whose key it can use."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        assert [{"Ref": "AlarmTopic"}] == alarm["Properties"]["AlarmActions"], name
    assert "KmsMasterKeyId" not in template["Resources"]["AlarmTopic"]["Properties"]
    [statement] = template["Resources"]["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish") == (statement["Principal"], statement["Action"])


@pytest.mark.parametrize("name", ["copy", "transform"])
def test_age_alarm_waits_for_the_attempts(template: dict[str, Any], name: str) -> None:
    """A message that four attempts failed on is younger than the age at which the alarm rings."""
    sizing = template["Mappings"]["Sizing"][name]
    assert sizing["OldestMessage"] > 4 * sizing["Visibility"] + sizing["Timeout"]
