"""Knows what the commands of a stage have in common: the stage's options, whom they tell, and how they end badly."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.aws.account import LOCAL_REGION, DeployError
from infra.aws.faults import explained
from infra.aws.outputs import OutputError
from infra.package.layer import LayerError


def stage_parser(name: str, description: str | None, *, asks: bool) -> argparse.ArgumentParser:
    """The parser of a command; with --yes when it `asks` before it changes anything."""
    parser = argparse.ArgumentParser(prog=f"python -m infra.deploy.{name}", description=description)
    parser.add_argument("--stage", required=True, help="stage on AWS, for instance dev")
    parser.add_argument("--region", help=f"region on AWS (the stage's own; first {LOCAL_REGION})")
    if asks:
        parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def say(line: str) -> None:
    """Tells the person at the terminal; what a program reads goes to the other stream."""
    print(line, file=sys.stderr, flush=True)


def ask(question: str) -> str:
    """What the person at the terminal answers; nothing, with what to do, where nobody is there."""
    if not sys.stdin.isatty():
        say(f"{question}\nNobody is there to answer: give --yes (make: YES=1).")
        return ""
    return input(question).strip()


def ended(do: Callable[[], None]) -> int:
    """Does it; 0, or 1 after saying what went wrong and what to do."""
    try:
        do()
    except (DeployError, LayerError, OutputError) as error:
        say(str(error))
        return 1
    except (ClientError, BotoCoreError, Boto3Error, ResponseParserError) as error:
        say(explained(error))
        return 1
    return 0
