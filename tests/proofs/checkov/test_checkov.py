"""checkov finds nothing in the template but what .checkov.yaml skips, each rule with its reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHECKOV = ROOT / ".venv" / "checkov" / "bin" / "checkov"
SKIPPED = (ROOT / ".checkov.yaml").read_text(encoding="utf-8").partition("skip-check:\n")[2].splitlines()


@pytest.mark.sample
def test_every_skip_has_its_reason() -> None:
    """Beside each rule stands a sentence, and a rule stands there once."""
    rules = [re.fullmatch(r"  - (CKV_AWS_\d+) # \w.{30,}", line) for line in SKIPPED]
    assert [] == [line for line, rule in zip(SKIPPED, rules, strict=True) if rule is None]
    assert len(SKIPPED) == len({rule[1] for rule in rules if rule})


def test_checkov_finds_what_is_skipped_and_nothing_else(tmp_path: Path) -> None:
    """The skipped rules are those that find something: none is idle, and no other finds anything."""
    subprocess.run([sys.executable, ROOT / "tools" / "environments.py", "checkov"], check=True)

    asked = subprocess.run([CHECKOV], cwd=ROOT, capture_output=True, text=True)
    template = str(ROOT / "infra" / "template.yaml")
    whole = [str(CHECKOV), "--framework", "cloudformation", "--skip-download", "--output", "json", "--file", template]
    told = subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True)  # where there is no .checkov.yaml

    assert (0, True) == (asked.returncode, "Failed checks: 0" in asked.stdout), asked.stdout
    found = {each["check_id"] for each in json.loads(told.stdout)["results"]["failed_checks"]}
    assert found == {line.split()[1] for line in SKIPPED}
