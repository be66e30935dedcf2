"""The import law is enforced: `lint-imports` refuses a file that breaks any contract of pyproject.toml."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("dags", "include", "plugins", "lambda_functions", "infra", "local", "bench", "tools")
CONTRACTS = [
    each["name"] for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]

# A trespass of each contract, and some of the neighbouring kinds: who imports what, and which contract forbids it.
TRESPASSES = [
    ("include/ledger/sets.py", "include.load.steps", "include: stages"),
    ("include/sense/gates.py", "include.report.model", "include: stages"),
    ("include/base/keys.py", "include.contract.listing", "include: stages"),
    ("include/extract/plan.py", "airflow.sdk", "Airflow is imported"),
    ("local/stack/home.py", "airflow", "Airflow is imported"),
    ("lambda_functions/copy_raw/handler.py", "airflow", "Airflow is imported"),
    ("dags/sense_listings.py", "include.extract.landing", "extract is called"),
    ("dags/load_listings.py", "include.sense.gates", "sense is called"),
    ("plugins/listings_ui/app.py", "include.load.steps", "load is called"),
    ("dags/load_listings.py", "include.report.marts", "report is called"),
    ("dags/replay_listings.py", "include.reconcile.gaps", "reconcile is called"),
    ("dags/sense_listings.py", "include.replay.steps", "replay is called"),
    ("dags/report_listings.py", "include.progress.rows", "progress is called"),
    ("include/load/plan.py", "tests.support.memory_s3", "tests, measurements"),
    ("infra/package/build.py", "tools.browser", "tests, measurements"),
    ("include/report/marts.py", "dags.report_listings", "DAG files and plugins"),
    ("local/commands/demo.py", "lambda_functions.copy_raw.handler", "DAG files and plugins"),
    ("lambda_functions/copy_raw/handler.py", "include.base.keys", "a Lambda has"),
    ("lambda_functions/transform_listings/decode.py", "pandas", "a Lambda has"),
    ("plugins/listings_ui/app.py", "local.stack.home", "the pipeline knows"),
    ("dags/extract_listings.py", "infra.aws.tuning", "the pipeline knows"),
    ("infra/package/layer.py", "local.machine", "what deploys"),
    ("infra/deploy/deploy.py", "include.warehouse.migrations", "what deploys"),
    ("infra/host/clean.py", "infra.aws.faults", "infra: a person's"),
    ("infra/package/build.py", "infra.deploy.stage", "infra: a person's"),
    ("local/redshift/wire.py", "local.postgres.server", "local: a person's"),
    ("local/stack/home.py", "local.commands.clients", "local: a person's"),
    ("local/commands/demo.py", "infra.deploy.deploy", "the stand-in could"),
    ("local/redshift/lexer.py", "include.base.keys", "the stand-in could"),
]
FORMS = ("import {module}", "from {package} import {name}", "def late():\n    import {module}\n")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of every Python file that the law is about; of the tests only the one that a trespasser imports."""
    house = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", house)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, house / folder, ignore=_all_but_python)
    shutil.copytree(ROOT / "tests", house / "tests", ignore=_all_but_python)
    return house


def _all_but_python(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()}


def lint(house: Path) -> tuple[dict[str, bool], str]:
    """Whether each contract is kept in the house, and all that was said."""
    command = [Path(sys.executable).with_name("lint-imports"), "pyproject.toml", "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False, env={"COLUMNS": "1000"})
    told = {name: re.search(rf"^{re.escape(name)} (KEPT|BROKEN)", done.stdout, re.MULTILINE) for name in CONTRACTS}
    assert all(told.values()), done.stdout + done.stderr
    return {name: match is not None and match[1] == "KEPT" for name, match in told.items()}, done.stdout


def test_the_code_keeps_every_contract(house: Path) -> None:
    """As it stands nothing is refused, so that the test below does not pass by refusing everything."""
    assert dict.fromkeys(CONTRACTS, True) == lint(house)[0]


def test_every_contract_has_a_trespass_here() -> None:
    """A contract that is added is seen to fail as well."""
    seen = {name for name in CONTRACTS for *_, begins in TRESPASSES if name.startswith(begins)}
    assert set(CONTRACTS) == seen


@pytest.mark.parametrize("form", FORMS, ids=("import", "from", "late"))
def test_an_import_that_breaks_the_law_is_refused(house: Path, tmp_path: Path, form: str) -> None:
    """Each trespass, in any form of import, is named by its contract."""
    broken = shutil.copytree(house, tmp_path / "house")
    for file, module, _ in TRESPASSES:
        package, _, name = module.rpartition(".")
        line = form.format(module=module, package=package or module, name=name if package else "sdk")
        with (broken / file).open("a") as code:
            code.write(f"\n{line}\n")
    kept, said = lint(broken)
    assert dict.fromkeys(CONTRACTS, False) == kept
    parts = {name: part for name in CONTRACTS for part in _parts(said, name)}
    for file, module, begins in TRESPASSES:
        (contract,) = (name for name in CONTRACTS if name.startswith(begins))
        importer = file.removesuffix(".py").replace("/", ".")
        imported = module.split(".")[0] if module.startswith(("airflow", "pandas")) else module
        assert re.search(rf"{re.escape(importer)} -> {re.escape(imported)}\b", parts[contract]), (file, module, said)


def _parts(said: str, name: str) -> list[str]:
    """What was said of a broken contract: from its underlined name on to the next one's."""
    return re.findall(rf"^{re.escape(name)}\n-+\n(.*?)(?=^[^\n]+\n-{{5,}}\n|\Z)", said, re.MULTILINE | re.DOTALL)
