"""Looks at a stage on AWS, or without --stage at the local stack, and says what is to be mended and how.

One request is made of the listing API, which counts against its quota; none with --no-api.

Usage: python -m infra.doctor [--stage NAME --region REGION | --home FOLDER] [--no-api] [--json]
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from infra.aws.account import LOCAL_REGION, LOCAL_STAGE
from infra.deploy.shell import leave_out_foreign_settings
from infra.doctor.finding import State
from infra.doctor.registry import examine
from infra.doctor.show import as_json, show
from infra.doctor.target import ROOT, Target, aws_target, local_target


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when nothing is to be mended, else 1; 2 for arguments that do not fit."""
    parser = argparse.ArgumentParser(prog="python -m infra.doctor", description=__doc__.rpartition("\n\n")[0])
    parser.add_argument("--stage", default="", help="stage on AWS, for instance dev; without it the local stack")
    parser.add_argument("--region", default="", help=f"region on AWS ({LOCAL_REGION})")
    parser.add_argument("--home", type=Path, help="folder of the local stack ($LISTINGS_HOME, else .local)")
    parser.add_argument(
        "--no-api", action="store_true", help="do not spend a request on the listing API: its key is not tried"
    )
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    chosen = parser.parse_args(arguments)
    on_aws = chosen.stage not in ("", LOCAL_STAGE)
    if on_aws and chosen.home:
        parser.error("--home is about the local stack; leave it out with --stage")
    target = aws_target(chosen.stage, chosen.region or LOCAL_REGION) if on_aws else _local(chosen.home)
    findings = examine(replace(target, asks_api=not chosen.no_api))
    if chosen.json:
        print(as_json(target, findings))
    else:
        show(target, findings, Console(highlight=False))
    return int(any(finding.state is State.MEND for finding in findings))


def _local(home: Path | None) -> Target:
    """The local stack; what this shell has for AWS, PostgreSQL and proxies stays out of it."""
    leave_out_foreign_settings()
    chosen = home or Path(os.environ.get("LISTINGS_HOME") or ROOT / ".local")
    try:
        return local_target(chosen.expanduser().resolve())
    except RuntimeError as error:  # no such user, or a link to itself
        raise SystemExit(f"doctor: LISTINGS_HOME={chosen}: {error}") from error


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("doctor: interrupted; it changes nothing, so run it again")
