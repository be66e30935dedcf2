"""Knows how the doctor tells of an error that a check did not expect."""

from __future__ import annotations

from botocore.parsers import ResponseParserError

from include.base.refusals import Refused
from infra.aws.account import DeployError
from infra.aws.faults import fault_of
from infra.doctor.finding import Finding, mend
from infra.doctor.target import Target


def unexpected(target: Target, error: Exception) -> Finding:
    """AWS's errors by what they mean; any other is a fault of the doctor, and must not hide what other checks found."""
    if target.is_local and isinstance(error, ResponseParserError):
        return mend(
            f"{target.endpoint_url} answers, but not as the stand-in does",
            "make status shows what runs; make down, make up start afresh",
        )
    if isinstance(error, Refused | DeployError):
        return mend(str(error), "correct what it names, and ask again")
    # Asking who the caller is could fail again.
    fault = fault_of(error, str(target.notes.get("caller", "the caller")))
    if fault is None:
        return mend(f"the doctor itself failed: {type(error).__name__}: {error}", "tell whoever maintains infra/doctor")
    return mend(fault.happened, fault.remedy)
