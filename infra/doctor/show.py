"""Knows how findings look: aligned lines for a person, JSON for a program."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from infra.doctor.finding import NEEDS, NOT_DEPLOYED, Finding, State
from infra.doctor.target import Target

_STYLES = {State.OK: "green", State.MEND: "bold red", State.SKIP: "dim"}
# Written to a file or a pipe, lines have this width.
PLAIN_WIDTH = 110
_WIDEST = 120


def show(target: Target, findings: Sequence[Finding], console: Console) -> None:
    """Prints a line for each finding, under those to mend what to do, and a sum.

    What could not be asked for the same reason stands in one line. Remedies are not wrapped: they are there to be
    copied.
    """
    width = min(console.width if console.is_terminal else PLAIN_WIDTH, _WIDEST)
    column = max(len(finding.check) for finding in findings) + 2
    indent = " " * (8 + column)
    console.print(Text(f"{_title(target)}\n", style="bold"), soft_wrap=True)
    for finding in _together(findings):
        first, *others = textwrap.wrap(
            finding.found, width - len(indent), break_long_words=False, break_on_hyphens=False
        ) or [""]
        text = "dim" if finding.state is State.SKIP else ""
        head = Text("  ").append(f"{finding.state:<6}", style=_STYLES[finding.state])
        head.append(f"{finding.check:<{column}}", style="bold" if finding.state is State.MEND else text)
        head.append(first, style=text)
        for line in (head, *(Text(f"{indent}{each}", style=text) for each in others)):
            console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{indent}→ {finding.remedy}", style="cyan"), soft_wrap=True)
    console.print(f"\n{_sum(findings)}", highlight=False)


def as_json(target: Target, findings: Sequence[Finding]) -> str:
    """The same for a program."""
    told = {"stage": target.stage, "region": target.region, "findings": [asdict(each) for each in findings]}
    return json.dumps(told, indent=2, ensure_ascii=False)


def _title(target: Target) -> str:
    return f"Local stack in {target.home}" if target.is_local else f"Stage {target.stage} in {target.region}"


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those in one line that were not asked because they need the same."""
    waiting: dict[str, list[str]] = {}
    for finding in findings:
        if finding.state is State.SKIP and finding.found.startswith(NEEDS):
            waiting.setdefault(finding.found, []).append(finding.check)
    alone = [finding for finding in findings if finding.found not in waiting]
    return alone + [
        Finding("not asked", State.SKIP, f"{', '.join(checks)}: {need}") for need, checks in waiting.items()
    ]


def _sum(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.state for finding in findings)
    to_do = [finding for finding in findings if finding.state is State.MEND]
    if [finding.found[: len(NOT_DEPLOYED)] for finding in to_do] == [NOT_DEPLOYED]:
        return f"Nothing else is in the way: {to_do[0].remedy}"
    if counts[State.MEND]:
        skipped = f", {counts[State.SKIP]} not asked" if counts[State.SKIP] else ""
        return f"{counts[State.MEND]} to mend, {counts[State.OK]} well{skipped}"
    return f"All is well: {counts[State.OK]} checks" + (
        f", {counts[State.SKIP]} not asked" if counts[State.SKIP] else ""
    )
