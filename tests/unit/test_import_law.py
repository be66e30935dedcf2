"""The import law is enforced: ruff, with the settings of each folder, refuses a file that breaks it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BROKEN = {
    "dags": ["lambda_functions", "local", "infra", "tests"],
    "include": ["dags", "lambda_functions", "local", "infra", "tests", "airflow"],
    "lambda_functions": ["dags", "include", "local", "infra", "tests", "airflow", "pandas", "numpy"],
    "local": ["dags", "include", "lambda_functions", "infra", "tests", "airflow"],
    "local/stack": ["dags", "include", "lambda_functions", "tests", "airflow"],
    "infra": ["dags", "lambda_functions", "local", "tests", "airflow"],
    "plugins": ["dags", "lambda_functions", "local", "infra", "tests"],
}
KEPT = {
    "dags/example_dag.py": ["airflow.sdk", "include.extract.landing"],
    "include/extract/landing.py": ["json", "boto3"],
    "include/alerts.py": ["airflow.providers.smtp.notifications.smtp"],
    "include/assets.py": ["airflow.sdk"],
    "include/dag_defaults.py": ["airflow.sdk"],
    "include/extract/operator.py": ["airflow.providers.http.operators.http"],
    "infra/build.py": ["include.contract.listing", "include.contract.families"],
    "plugins/listings_ui/app.py": ["airflow.api_fastapi.core_api.security", "include.progress.table"],
    "local/stack/up.py": ["infra.deploy", "local.postgres"],
}


FORMS = ["import {module}", "import {module}.part", "from {module}.part import name"]
HIDDEN = "def late():\n    from {module} import part\n    return part\n"

ACROSS = [(folder, module) for folder, modules in BROKEN.items() for module in modules]
ANYWHERE = [(folder, module) for folder, module in ACROSS if module != "airflow"]
WITHIN = [(file, module) for file, modules in KEPT.items() for module in modules]

Refused = Callable[[str, str], set[str]]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Refused:
    """The codes of the import-law rules that ruff reports for a file's source, under a copy of the settings.

    One run of ruff answers for all of them: every source lies in a tree of its own.
    """
    cases = [
        *((f"{folder}/trespasser.py", form.format(module=module)) for form in FORMS for folder, module in ACROSS),
        *((f"{folder}/trespasser.py", HIDDEN.format(module=module)) for folder, module in ANYWHERE),
        *((file, f"import {module}") for file, module in WITHIN),
    ]
    trees = tmp_path_factory.mktemp("law")
    for number, (file, source) in enumerate(cases):
        for settings in ("pyproject.toml", *(f"{folder}/ruff.toml" for folder in BROKEN)):
            (trees / str(number) / settings).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / settings, trees / str(number) / settings)
        (trees / str(number) / file).parent.mkdir(parents=True, exist_ok=True)
        (trees / str(number) / file).write_text(f"{source}\n")
    found: dict[tuple[str, str], set[str]] = {case: set() for case in cases}
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json", "."]
    result = subprocess.run(command, cwd=trees, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    for each in json.loads(result.stdout):
        tree = Path(each["filename"]).relative_to(trees.resolve()).parts[0]
        found[cases[int(tree)]].add(each["code"])
    return lambda file, source: found[file, source] & {"TID251", "TID253"}


@pytest.mark.parametrize(("folder", "module"), ACROSS)
@pytest.mark.parametrize("form", FORMS)
def test_an_import_that_breaks_the_law_is_refused(refused: Refused, folder: str, module: str, form: str) -> None:
    """A file that imports across the law, in any form of import, does not pass ruff."""
    assert refused(f"{folder}/trespasser.py", form.format(module=module)) != set()


@pytest.mark.parametrize(("folder", "module"), ANYWHERE)
def test_hiding_the_import_in_a_function_is_refused_too(refused: Refused, folder: str, module: str) -> None:
    """An import inside a function is held to the law like one at the top."""
    assert {"TID251"} == refused(f"{folder}/trespasser.py", HIDDEN.format(module=module))


@pytest.mark.parametrize(("file", "module"), WITHIN)
def test_an_import_within_the_law_passes(refused: Refused, file: str, module: str) -> None:
    """What the law allows is not refused, so that the tests above do not pass by refusing everything."""
    assert set() == refused(file, f"import {module}")
