"""What the template must say of what exists on AWS only, where nothing can be tried: network, warehouse, Airflow."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from include.base.settings import Resources
from infra.aws.choices import Choices
from infra.aws.outputs import SETTINGS
from infra.deploy.put_secrets import EXAMPLE
from infra.package.mwaa import AIRFLOW_OPTIONS, AIRFLOW_VERSION
from tests.support.deployed_stack import Deployed
from tests.support.template import as_list, looked_up, of_type, policies, read_template, without_intrinsics

# What MiniStack refuses unless its condition is false.
REFUSED_LOCALLY = (
    "AWS::RedshiftServerless::",
    "AWS::MWAA::",
    "AWS::Budgets::",
    "AWS::EC2::Instance",
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
)
# Actions that know no resources, each by its own page of the service authorization reference.
WITHOUT_RESOURCES = {
    "cloudwatch:PutMetricData",
    "ssm:UpdateInstanceInformation",
    "s3:GetAccountPublicAccessBlock",
    "logs:DescribeLogGroups",
    *(f"ssmmessages:{verb}{channel}Channel" for verb in ("Create", "Open") for channel in ("Control", "Data")),
    *(
        f"ec2messages:{name}"
        for name in ("AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply")
    ),
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The template as plain data."""
    return read_template()


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    """The template's resources by logical id."""
    return dict(template["Resources"])


def _ingress(resources: dict[str, Any], group: str) -> list[dict[str, Any]]:
    """Who gets into a security group: its own rules and those that stand apart."""
    own = [dict(rule) for rule in resources[group]["Properties"].get("SecurityGroupIngress", [])]
    return own + [
        {**part["Properties"], "Condition": part["Condition"]}
        for part in resources.values()
        if part["Type"] == "AWS::EC2::SecurityGroupIngress" and part["Properties"]["GroupId"] == {"Ref": group}
    ]


def _names(references: list[dict[str, str]]) -> list[str]:
    return [each["Ref"] for each in references]


def _zones(resources: dict[str, Any], subnets: list[str]) -> list[str]:
    return [str(resources[name]["Properties"]["AvailabilityZone"]["Fn::Select"][0]) for name in subnets]


def _ways_out(resources: dict[str, Any], subnet: str) -> set[str]:
    """The gateways that the routes of a subnet lead to, whatever the condition."""
    parts = [(part["Type"], part.get("Properties", {})) for part in resources.values()]
    [table] = [
        own["RouteTableId"]
        for kind, own in parts
        if kind == "AWS::EC2::SubnetRouteTableAssociation" and own["SubnetId"] == {"Ref": subnet}
    ]
    return {
        (own.get("NatGatewayId") or own["GatewayId"])["Ref"]
        for kind, own in parts
        if kind == "AWS::EC2::Route" and own["RouteTableId"] == table
    }


class TestConditions:
    """What keeps AWS's own out of the local deploy."""

    def test_what_the_stand_in_refuses_is_behind_a_condition(self, resources: dict[str, Any]) -> None:
        """Every resource that MiniStack refuses, and the whole network, exists on AWS only."""
        aws_only = {
            name: part.get("Condition")
            for name, part in resources.items()
            if part["Type"].startswith((*REFUSED_LOCALLY, "AWS::EC2::"))
        }
        assert len(aws_only) > 25
        assert {"IsAws", "OnHost", "OnMwaa", "HasUiCidr", "HasBudget"} == set(aws_only.values())

    def test_conditions_are_false_locally(self, template: dict[str, Any]) -> None:
        """Each of those conditions asks for IsAws first, which stage local is not."""
        conditions = template["Conditions"]
        assert {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]} == conditions["IsAws"]
        for name in ("OnHost", "OnMwaa", "HasBudget"):
            assert {"Condition": "IsAws"} == conditions[name]["Fn::And"][0], name
        assert {"Condition": "OnHost"} == conditions["HasUiCidr"]["Fn::And"][0]


class TestSettings:
    """Where Airflow finds the outputs."""

    def test_parameter_says_what_airflow_reads(self, deployed: Deployed) -> None:
        """The lines of the deployed parameter are the settings that the outputs give, and what a host needs more."""
        found = deployed.root("ssm").get_parameter(Name="/listings/local/settings")["Parameter"]["Value"]
        lines = dict(line.split("=", 1) for line in found.splitlines())
        assert {name: deployed.outputs[output] for name, output in SETTINGS.items()}.items() <= lines.items()
        more = {"LISTINGS_STAGE": "local", "LISTINGS_RELEASE": "", "AWS_DEFAULT_REGION": "us-east-1"}
        assert more == {name: lines[name] for name in lines.keys() - SETTINGS.keys()}

    def test_every_resource_of_airflow_is_an_output(self) -> None:
        """What include/base/settings.py asks for is what the outputs give, variable by variable."""
        assert {f"LISTINGS_{name.upper()}" for name in Resources.__dataclass_fields__} == set(SETTINGS)


class TestNetwork:
    """Who reaches whom."""

    def test_rules_are_described_as_ec2_takes_it(self, resources: dict[str, Any]) -> None:
        """EC2 refuses other characters in the description of a group or a rule, which no linter knows."""
        described = [
            text
            for part in resources.values()
            if part["Type"].startswith("AWS::EC2::SecurityGroup")
            for each in [part["Properties"], *part["Properties"].get("SecurityGroupEgress", [])]
            for text in (each.get("Description"), each.get("GroupDescription"))
            if text
        ]
        assert len(described) >= 9
        for text in described:
            assert re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", text), text

    def test_warehouse_hears_airflow_only(self, resources: dict[str, Any]) -> None:
        """Redshift's one way in is its port, from Airflow's group."""
        [rule] = _ingress(resources, "WarehouseSecurityGroup")
        assert (5439, 5439, {"Ref": "AirflowSecurityGroup"}) == (
            rule["FromPort"],
            rule["ToPort"],
            rule["SourceSecurityGroupId"],
        )

    def test_nobody_gets_into_the_host_but_to_the_ui(self, resources: dict[str, Any]) -> None:
        """Airflow's group takes the UI's port from UiCidr, where one is given, and on MWAA itself; no SSH."""
        rules = {rule["Condition"]: rule for rule in _ingress(resources, "AirflowSecurityGroup")}
        assert {"HasUiCidr", "OnMwaa"} == set(rules)
        ui = rules["HasUiCidr"]
        assert (8443, 8443, {"Ref": "UiCidr"}) == (ui["FromPort"], ui["ToPort"], ui["CidrIp"])
        assert {"Ref": "AirflowSecurityGroup"} == rules["OnMwaa"]["SourceSecurityGroupId"]
        assert "KeyName" not in resources["AirflowInstance"]["Properties"]

    @pytest.mark.parametrize(
        ("cidr", "is_taken"),
        [
            ("", True),
            ("203.0.113.7/32", True),
            ("198.51.100.0/24", True),
            ("0.0.0.0/0", False),
            ("0.0.0.0/8", False),
            ("203.0.113.7", False),
        ],
    )
    def test_ui_is_not_opened_to_everybody(self, template: dict[str, Any], cidr: str, is_taken: bool) -> None:
        """UiCidr takes nothing or a range; the whole internet it does not take."""
        assert is_taken == bool(re.search(template["Parameters"]["UiCidr"]["AllowedPattern"], cidr))

    def test_warehouse_spans_three_zones_and_has_no_way_out(self, resources: dict[str, Any]) -> None:
        """Redshift's three subnets are in three zones, and no route leads out of them, on MWAA either."""
        subnets = _names(resources["WarehouseWorkgroup"]["Properties"]["SubnetIds"])
        assert ["0", "1", "2"] == _zones(resources, subnets)
        assert not any(resources[name]["Properties"].get("MapPublicIpOnLaunch") for name in subnets)
        assert {name: set() for name in subnets} == {name: _ways_out(resources, name) for name in subnets}

    def test_s3_is_reached_inside_the_network(self, resources: dict[str, Any]) -> None:
        """A gateway endpoint for S3 stands in the routes of every subnet."""
        endpoint = resources["S3Endpoint"]["Properties"]
        assert "Gateway" == endpoint["VpcEndpointType"]
        assert "com.amazonaws.${AWS::Region}.s3" == without_intrinsics(endpoint["ServiceName"])
        always, on_mwaa = endpoint["RouteTableIds"][:-1], endpoint["RouteTableIds"][-1]["Fn::If"]
        assert [{"Ref": "PrivateRoutes"}, {"Ref": "PublicRoutes"}] == always
        assert ["OnMwaa", {"Ref": "MwaaRoutes"}, {"Ref": "AWS::NoValue"}] == on_mwaa


class TestWarehouse:
    """Redshift Serverless."""

    def test_is_small_private_and_encrypted_on_the_way(self, template: dict[str, Any]) -> None:
        """8 RPU to begin with, a ceiling, no public address, TLS required, COPY inside the network."""
        workgroup = template["Resources"]["WarehouseWorkgroup"]["Properties"]
        assert 8 == template["Parameters"]["RedshiftBaseRpu"]["Default"]
        assert ({"Ref": "RedshiftBaseRpu"}, {"Ref": "RedshiftMaxRpu"}) == (
            workgroup["BaseCapacity"],
            workgroup["MaxCapacity"],
        )
        assert (False, True) == (workgroup["PubliclyAccessible"], workgroup["EnhancedVpcRouting"])
        assert {"require_ssl": "true", "max_query_execution_time": "3600"} == {
            each["ParameterKey"]: each["ParameterValue"] for each in workgroup["ConfigParameters"]
        }

    def test_may_assume_the_copy_role_only(self, resources: dict[str, Any]) -> None:
        """The namespace has one role, that of COPY, and its administrator's password is Redshift's own secret."""
        namespace = resources["WarehouseNamespace"]["Properties"]
        assert [{"Fn::GetAtt": ["RedshiftCopyRole", "Arn"]}] == namespace["IamRoles"]
        assert namespace["ManageAdminPassword"] is True
        assert "AdminUserPassword" not in namespace


class TestHost:
    """Airflow on an EC2 instance."""

    def test_metadata_is_asked_with_a_token_and_from_the_host_only(self, resources: dict[str, Any]) -> None:
        """IMDSv2 is required, one hop away, and the disk is encrypted."""
        data = resources["AirflowLaunchTemplate"]["Properties"]["LaunchTemplateData"]
        assert {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1} == data[
            "MetadataOptions"
        ]
        [disk] = data["BlockDeviceMappings"]
        assert disk["Ebs"]["Encrypted"] is True
        instance = resources["AirflowInstance"]["Properties"]
        assert {"Ref": "AirflowLaunchTemplate"} == instance["LaunchTemplate"]["LaunchTemplateId"]
        assert {"Ref": "AirflowInstanceProfile"} == instance["IamInstanceProfile"]

    def test_stack_waits_until_airflow_is_well(self, resources: dict[str, Any]) -> None:
        """The first boot signals how the installation ended, whichever way, and the stack waits for it."""
        assert "PT25M" == resources["AirflowInstance"]["CreationPolicy"]["ResourceSignal"]["Timeout"]
        script = self._script(resources)
        assert "set -euo pipefail" in script
        assert "trap tell_how_it_ended EXIT" in script
        assert '/opt/aws/bin/cfn-signal --exit-code "$code"' in script
        assert script.index("trap ") < script.index("dnf install")

    def test_first_boot_that_fails_leaves_its_log(self, resources: dict[str, Any]) -> None:
        """What a host said that is taken away again lies in the log bucket, where its role may put it."""
        assert "s3://${LogBucket}/task-logs/first-boot/" in self._script(resources)
        [policy] = [p for p in policies(resources["AirflowRole"]) if p["PolicyName"] == "host"]
        granted = [s for s in policy["PolicyDocument"]["Statement"] if "s3:PutObject" in as_list(s["Action"])]
        assert ["${LogBucket.Arn}/task-logs/*"] == [without_intrinsics(s["Resource"]) for s in granted]

    def test_first_boot_is_the_same_for_every_release(self, resources: dict[str, Any]) -> None:
        """UserData refers to nothing that a release changes, which would stop the host for a script that runs once."""
        script = self._script(resources)
        used = set(re.findall(r"\$\{([A-Za-z:]+)\}", script))
        assert {"AWS::StackName", "AWS::Region", "Project", "Stage", "CodeBucket", "LogBucket"} == used

    def test_first_boot_is_a_script_that_bash_takes(self, resources: dict[str, Any], tmp_path: Any) -> None:
        """bash finds no error in UserData, nor in the script that it writes."""
        script = re.sub(r"\$\{[A-Za-z:]+\}", "x", self._script(resources))
        inner = script.split("<<'SCRIPT'\n", 1)[1].split("\nSCRIPT\n", 1)[0]
        assert inner.startswith("#!/bin/bash\n")
        for text in (script, inner):
            checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
            assert (0, "") == (checked.returncode, checked.stderr)

    def test_address_is_known_before_the_host_is_made(self, resources: dict[str, Any]) -> None:
        """The UI's address stands in the settings that the first boot reads, and is the host's in the end."""
        assert "InstanceId" not in resources["AirflowAddress"]["Properties"]
        assert {
            "AllocationId": {"Fn::GetAtt": ["AirflowAddress", "AllocationId"]},
            "InstanceId": {"Ref": "AirflowInstance"},
        } == (resources["AirflowAddressOfHost"]["Properties"])
        lines = resources["SettingsParameter"]["Properties"]["Value"]["Fn::Join"][1]
        assert {
            "Fn::If": ["OnHost", {"Fn::Sub": "LISTINGS_UI_URL=https://${AirflowAddress}:8443"}, {"Ref": "AWS::NoValue"}]
        } in (lines)
        assert "SettingsParameter" in resources["AirflowInstance"]["DependsOn"]

    def test_logs_expire(self, resources: dict[str, Any]) -> None:
        """Task logs and access logs go after 90 days."""
        rules = resources["LogBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert {"task-logs/": 90, "access-logs/": 90} == {
            r["Prefix"]: r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r
        }

    def test_silence_of_the_health_check_rings(self, resources: dict[str, Any]) -> None:
        """A host that says nothing is as bad as one that says it is unwell."""
        for name in ("AirflowUnwellAlarm", "HostFailedAlarm"):
            assert "breaching" == resources[name]["Properties"]["TreatMissingData"]

    @staticmethod
    def _script(resources: dict[str, Any]) -> str:
        return str(resources["AirflowInstance"]["Properties"]["UserData"]["Fn::Base64"]["Fn::Sub"])


class TestMwaa:
    """Airflow on MWAA, the alternative."""

    def test_environment_is_what_the_package_is_made_for(self, resources: dict[str, Any]) -> None:
        """Version, options and paths are those of infra/package/mwaa.py."""
        environment = resources["MwaaEnvironment"]["Properties"]
        assert AIRFLOW_VERSION == environment["AirflowVersion"]
        assert dict(AIRFLOW_OPTIONS) == environment["AirflowConfigurationOptions"]
        assert ("mwaa/dags", "mwaa/plugins.zip", "mwaa/requirements.txt", "mwaa/startup.sh") == tuple(
            environment[f"{kind}S3Path"] for kind in ("Dag", "Plugins", "Requirements", "StartupScript")
        )

    def test_environment_is_in_two_private_subnets_with_a_way_out(self, resources: dict[str, Any]) -> None:
        """MWAA asks for two subnets in two zones that reach AWS's services, here through a NAT gateway."""
        environment = resources["MwaaEnvironment"]
        subnets = _names(environment["Properties"]["NetworkConfiguration"]["SubnetIds"])
        assert ["0", "1"] == _zones(resources, subnets)
        assert not any(resources[name]["Properties"].get("MapPublicIpOnLaunch") for name in subnets)
        assert {name: {"NatGateway"} for name in subnets} == {name: _ways_out(resources, name) for name in subnets}
        assert {"MwaaRouteOut", "MwaaSubnetARoutes", "MwaaSubnetBRoutes"} <= set(environment["DependsOn"])

    def test_role_is_trusted_by_mwaa_there_and_by_ec2_on_a_host(self, resources: dict[str, Any]) -> None:
        """Where MWAA runs Airflow its two services assume the role, and no instance does."""
        [statement] = resources["AirflowRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        _, _, on_aws = statement["Principal"]["Fn::If"]
        condition, mwaa, host = on_aws["Fn::If"]
        assert ("OnMwaa", ["airflow.amazonaws.com", "airflow-env.amazonaws.com"], "ec2.amazonaws.com") == (
            condition,
            mwaa["Service"],
            host["Service"],
        )


class TestPolicies:
    """What the roles may do on AWS only."""

    def test_statements_about_everything_are_about_actions_without_resources(self, resources: dict[str, Any]) -> None:
        """Where a statement's resource is `*`, none of its actions could be narrower."""
        about_all = {
            action
            for role in of_type({"Resources": resources}, "AWS::IAM::Role").values()
            for policy in policies(role)
            for statement in policy["PolicyDocument"]["Statement"]
            if statement.get("Resource") == "*"
            for action in as_list(statement["Action"])
        }
        assert WITHOUT_RESOURCES == about_all

    def test_host_sends_metrics_of_its_own_only(self, resources: dict[str, Any]) -> None:
        """The host's metrics are held to the namespace that the alarm watches."""
        [policy] = [p for p in policies(resources["AirflowRole"]) if p["PolicyName"] == "host"]
        [metric] = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == "cloudwatch:PutMetricData"]
        assert {"StringEquals": {"cloudwatch:namespace": "Listings/Airflow"}} == metric["Condition"]
        assert "Listings/Airflow" == resources["AirflowUnwellAlarm"]["Properties"]["Namespace"]


class TestAccessLogs:
    """Who read and wrote the data buckets, where somebody asked for it."""

    @pytest.mark.parametrize("bucket", ["LandingBucket", "RawBucket", "CleanBucket"])
    def test_data_buckets_log_where_it_is_asked_for(
        self, template: dict[str, Any], resources: dict[str, Any], bucket: str
    ) -> None:
        """Off unless AccessLogs says so, and on AWS only; each bucket logs below a prefix of its own."""
        assert "off" == template["Parameters"]["AccessLogs"]["Default"]
        assert {"Fn::And": [{"Condition": "IsAws"}, {"Fn::Equals": [{"Ref": "AccessLogs"}, "on"]}]} == template[
            "Conditions"
        ]["HasAccessLogs"]
        condition, logs, otherwise = resources[bucket]["Properties"]["LoggingConfiguration"]["Fn::If"]
        assert ("HasAccessLogs", {"Ref": "AWS::NoValue"}) == (condition, otherwise)
        prefix = f"access-logs/{bucket.removesuffix('Bucket').lower()}/"
        assert {"DestinationBucketName": {"Ref": "LogBucket"}, "LogFilePrefix": prefix} == logs

    def test_s3_may_put_them_from_our_account_only(self, resources: dict[str, Any]) -> None:
        """The log bucket takes objects of S3's log delivery below the prefix, and of no other account's buckets."""
        statements = resources["LogBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        [(condition, granted, otherwise)] = [each["Fn::If"] for each in statements if "Fn::If" in each]
        assert ("HasAccessLogs", {"Ref": "AWS::NoValue"}) == (condition, otherwise)
        assert ("Allow", {"Service": "logging.s3.amazonaws.com"}, "s3:PutObject") == (
            granted["Effect"],
            granted["Principal"],
            granted["Action"],
        )
        assert "${LogBucket.Arn}/access-logs/*" == without_intrinsics(granted["Resource"])
        assert {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}} == granted["Condition"]


def test_budget_tells_before_it_is_spent(resources: dict[str, Any]) -> None:
    """Somebody is told at 80 % spent, and when the forecast is beyond the budget."""
    budget = resources["Budget"]["Properties"]
    told = {
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"])
        for each in budget["NotificationsWithSubscribers"]
    }
    assert {("ACTUAL", 80), ("FORECASTED", 100)} == told
    assert {"Ref": "MonthlyBudget"} == budget["Budget"]["BudgetLimit"]["Amount"]


def test_layer_is_our_own_and_aws_s_where_one_is_named(resources: dict[str, Any], template: dict[str, Any]) -> None:
    """On AWS the transform has our layer, and that of LayerArn beside it; locally none."""
    condition, on_aws, locally = resources["TransformFunction"]["Properties"]["Layers"]["Fn::If"]
    assert "IsAws" == condition
    assert [{"Ref": "RuntimeLayer"}, {"Fn::If": ["HasLayer", {"Ref": "LayerArn"}, {"Ref": "AWS::NoValue"}]}] == on_aws
    assert {"Ref": "AWS::NoValue"} == locally
    assert ["python3.12"] == resources["RuntimeLayer"]["Properties"]["CompatibleRuntimes"]
    for name in ("CopyFunction", "TransformFunction"):
        assert "python3.12" == looked_up(template, resources[name]["Properties"]["Runtime"])


def test_choices_are_parameters_of_the_template(template: dict[str, Any]) -> None:
    """Everything that a person may choose has a parameter with a default."""
    assert all("Default" in template["Parameters"][name] for name in Choices().parameters())


def test_example_of_the_key_is_no_key() -> None:
    """The committed example is JSON with an obviously made-up key."""
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert "example" in example["x-rapidapi-key"]
