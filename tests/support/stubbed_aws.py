"""Clients of AWS that answer what a test has laid ready, and check each request against AWS's own description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.stub import Stubber

from infra.doctor.finding import Finding
from infra.doctor.registry import Check, examine
from infra.doctor.target import Target

REGION = "eu-west-1"


class StubbedAws(ExitStack):
    """`clients(service)` is what a Target takes; requests must come in the order in which answers were laid ready."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def clients(self, service: str) -> Any:
        """A client of `service` that reaches nobody."""
        if service not in self._clients:
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service, region_name=REGION, aws_access_key_id="example", aws_secret_access_key="example"
            )
            self._stubs[service] = self.enter_context(Stubber(self._clients[service]))
        return self._clients[service]

    def answers(self, service: str, operation: str, answer: Mapping[str, Any], **request: Any) -> Self:
        """Lays an answer ready; with `request`, for exactly this request."""
        self.clients(service)
        self._stubs[service].add_response(operation, dict(answer), request or None)
        return self

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> Self:
        """Lays an error ready."""
        self.clients(service)
        self._stubs[service].add_client_error(operation, code, message, 403)
        return self

    def caller(self, arn: str) -> Self:
        """Says whose credentials they are."""
        return self.answers("sts", "get_caller_identity", {"Account": arn.split(":")[4], "Arn": arn})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Everything that was laid ready was asked for."""
        if error is None:
            for stub in self._stubs.values():
                stub.assert_no_pending_responses()
        return bool(super().__exit__(kind, error, trace))


def stage(aws: StubbedAws, outputs: dict[str, str]) -> Target:
    """A stage on this AWS with these outputs; without a stack for none."""
    target = Target(stage="dev", region=REGION, clients=aws.clients)
    target.__dict__["outputs"] = outputs
    return target


def looked(target: Target, look: Callable[[Target], Finding]) -> Finding:
    """One check, run as the doctor runs it."""
    [found] = examine(target, [Check("it", look)])
    return found
