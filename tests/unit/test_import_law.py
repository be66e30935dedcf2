"""The import law is enforced: ruff, with the settings of each folder, refuses a file that breaks it."""

import json
import shutil
import subprocess
import sys
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
    "dags/example_dag.py": ["airflow.sdk", "include.landing"],
    "include/landing.py": ["json", "boto3"],
    "include/alerts.py": ["airflow.providers.smtp.notifications.smtp"],
    "include/assets.py": ["airflow.sdk"],
    "include/dag_defaults.py": ["airflow.sdk"],
    "include/operators.py": ["airflow.providers.http.operators.http"],
    "infra/build.py": ["include.contract", "include.sources"],
    "plugins/listings_ui/app.py": ["airflow.api_fastapi.core_api.security", "include.progress"],
    "local/stack/up.py": ["infra.deploy", "local.postgres"],
}


def refused(folder: Path, file: str, source: str) -> set[str]:
    """The codes of the import-law rules that ruff reports for this source, under a copy of the settings."""
    for settings in ("pyproject.toml", *(str(path.relative_to(ROOT)) for path in _settings())):
        (folder / settings).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / settings, folder / settings)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(source)
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json", file]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    return {found["code"] for found in json.loads(result.stdout)} & {"TID251", "TID253"}


def _settings() -> list[Path]:
    """The ruff settings of every folder that the law names."""
    return [ROOT / folder / "ruff.toml" for folder in BROKEN]


@pytest.mark.parametrize(
    ("folder", "module"), [(folder, module) for folder, modules in BROKEN.items() for module in modules]
)
@pytest.mark.parametrize("form", ["import {module}", "import {module}.part", "from {module}.part import name"])
def test_an_import_that_breaks_the_law_is_refused(tmp_path: Path, folder: str, module: str, form: str) -> None:
    """A file that imports across the law, in any form of import, does not pass ruff."""
    source = form.format(module=module) + "\n"

    assert refused(tmp_path, f"{folder}/trespasser.py", source) != set()


@pytest.mark.parametrize(
    ("folder", "module"),
    [(folder, module) for folder, modules in BROKEN.items() for module in modules if module != "airflow"],
)
def test_hiding_the_import_in_a_function_is_refused_too(tmp_path: Path, folder: str, module: str) -> None:
    """An import inside a function is held to the law like one at the top."""
    source = f"def late():\n    from {module} import part\n    return part\n"

    assert {"TID251"} == refused(tmp_path, f"{folder}/trespasser.py", source)


@pytest.mark.parametrize(("file", "module"), [(file, module) for file, modules in KEPT.items() for module in modules])
def test_an_import_within_the_law_passes(tmp_path: Path, file: str, module: str) -> None:
    """What the law allows is not refused, so that the tests above do not pass by refusing everything."""
    assert set() == refused(tmp_path, file, f"import {module}\n")
