"""What a newcomer reads first is true: the files that it names are there, the commands are the Makefile's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "README.md", ".github/pull_request_template.md"]
# Made at run time, or by the reader: nothing of a checkout.
OWN = (".local", ".venv", "config/", "~")


def targets() -> set[str]:
    """The targets of the Makefile; of `make proof-NAME` the beginning."""
    return set(re.findall(r"^([a-z-]+)[%a-z]*:", (ROOT / "Makefile").read_text(), re.MULTILINE))


def asked_for(text: str) -> set[str]:
    """The targets that a text gives to make."""
    return {
        target.rstrip("-") for target in re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )?make ([a-z][a-z-]*)", text, re.MULTILINE)
    }


def steps(workflow: Path) -> list[dict[str, Any]]:
    """Every step of every job of a workflow."""
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_one_runs_at_a_desk(workflow: Path) -> None:
    """Its steps install system packages or call targets of the Makefile, and nothing else."""
    runs = [step["run"].strip() for step in steps(workflow) if "run" in step]
    own = [run for run in runs if not run.startswith("apt-get update && apt-get install")]
    assert [] == [run for run in own if not re.fullmatch(r"make [a-z-]+", run)]
    assert set() == {run.removeprefix("make ") for run in own} - targets()
    assert own


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_no_more(workflow: Path) -> None:
    """Its token reads the repository and is not left on disk; an action is a commit, with the version beside it."""
    text = workflow.read_text()
    assert {"contents": "read"} == yaml.safe_load(text)["permissions"]
    assert [] == [job for job in yaml.safe_load(text)["jobs"].values() if "permissions" in job or "secrets" in job]
    actions = re.findall(r"uses: (.*)", text)
    assert [] == [each for each in actions if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert [False] * len(checkouts) == [step["with"]["persist-credentials"] for step in checkouts]
    assert checkouts


def test_the_workflows_run_check_tests_floors_and_proofs() -> None:
    """check on each Python that the project promises; tests, floors and proofs somewhere."""
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]
    ran = {step.get("run", "").strip(): job for job in jobs for step in job["steps"]}
    assert {"make check", "make test", "make test-floors", "make proofs"} <= set(ran)
    assert ["3.11", "3.12", "3.13"] == ran["make check"]["strategy"]["matrix"]["python"]


def test_hooks_before_a_commit_are_the_projects_own_commands() -> None:
    """Each is a target of the Makefile, and none is downloaded."""
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert ["local"] == [each["repo"] for each in repositories]
    hooks = repositories[0]["hooks"]
    assert {"system"} == {hook["language"] for hook in hooks}
    assert set() == {hook["entry"].removeprefix("make ") for hook in hooks} - targets()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    """Each path in code or in a link is a file or folder of the checkout, each command a target."""
    text = (ROOT / page).read_text()
    code = [name for name in re.findall(r"`([^`\n]+)`", text) if re.fullmatch(r"[\w.*/-]+(/|\.\w+)", name)]
    linked = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    named = linked + [name for name in code if "/" in name and not name.startswith(OWN)]
    assert [] == [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert set() == asked_for(text) - targets()
    assert named or page.startswith(".github")


def test_editors_and_files_agree(tracked: list[str]) -> None:
    """As .editorconfig asks: no blanks at the end of a line, no carriage return, a newline at the end of a file."""
    found = []
    for name in tracked:
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if content and b"\0" not in content:
            found += [name] if re.search(rb"[ \t]$|\r", content, re.MULTILINE) or not content.endswith(b"\n") else []
    assert [] == found
