"""The build gives the same bytes for the same input, and another version for another one."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from include.contract.adapters import AdapterError
from include.contract.families import compile_source, known_sources
from include.contract.listing import compile_contract
from infra.aws.account import DeployError
from infra.package.build import FUNCTIONS, Bundle, build, bundle

CONTRACT = {"columns": [{"name": "zpid", "type": "BIGINT"}]}
SOURCES = {"zillow56": {"request": {"path": "/search"}}}


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """Two small functions, the transform with a module beside its handler."""
    root = tmp_path / "functions"
    for name in ("copy_raw", "transform_listings"):
        (root / name).mkdir(parents=True)
        (root / name / "handler.py").write_text(f"NAME = {name!r}\n")
    (root / "transform_listings" / "transform.py").write_text("RULES = 1\n")
    return root


def _bundled(out: Path, functions: Path, sources: dict[str, Any] = SOURCES) -> Bundle:
    return bundle(out, functions, contract=CONTRACT, sources=sources)


def test_same_input_gives_the_same_bytes(tmp_path: Path, functions: Path) -> None:
    """Two builds, between which every file was touched and bytecode appeared, are equal byte by byte."""
    first = _bundled(tmp_path / "one", functions)
    for path in functions.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        cache = path.parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"{path.stem}.cpython-312.pyc").write_bytes(os.urandom(16))
    second = _bundled(tmp_path / "two", functions)
    assert first.copy_zip.name == second.copy_zip.name
    assert first.copy_zip.read_bytes() == second.copy_zip.read_bytes()
    assert first.transform_zip.name == second.transform_zip.name
    assert first.transform_zip.read_bytes() == second.transform_zip.read_bytes()
    assert first.transform_version == second.transform_version


def test_changed_adapter_changes_the_transform_only(tmp_path: Path, functions: Path) -> None:
    """An adapter that asks another path gives another transform version and zip, and the same copy zip."""
    before = _bundled(tmp_path, functions)
    after = _bundled(tmp_path, functions, {"zillow56": {"request": {"path": "/other"}}})
    assert before.transform_version != after.transform_version
    assert before.transform_zip != after.transform_zip
    assert before.copy_zip == after.copy_zip


def test_changed_transform_code_changes_its_version(tmp_path: Path, functions: Path) -> None:
    """A changed line in a module beside the handler gives another transform version."""
    before = _bundled(tmp_path, functions)
    (functions / "transform_listings" / "transform.py").write_text("RULES = 2\n")
    assert before.transform_version != _bundled(tmp_path, functions).transform_version


def test_another_package_in_the_layer_changes_the_transform_s_version(tmp_path: Path) -> None:
    """The version is of all that cleans, of which the zip has a part; the zip says it itself."""
    versions = set()
    for pins in (["pyarrow==24.0.0"], ["pyarrow==25.0.0"]):
        built = bundle(tmp_path, FUNCTIONS, {}, {}, pins)
        with zipfile.ZipFile(built.transform_zip) as zipped:
            assert f"{built.transform_version}\n".encode() == zipped.read("version.txt")
        versions.add(built.transform_version)
    assert 2 == len(versions)


def test_changed_copy_code_leaves_the_transform_alone(tmp_path: Path, functions: Path) -> None:
    """Another copy function has another zip, and what was cleaned stays clean under its version."""
    before = _bundled(tmp_path, functions)
    (functions / "copy_raw" / "handler.py").write_text("NAME = 'other'\n")
    after = _bundled(tmp_path, functions)
    assert before.copy_zip != after.copy_zip
    assert before.transform_version == after.transform_version


def test_missing_handler_is_named(tmp_path: Path, functions: Path) -> None:
    """A function without a handler stops the build with the path that was expected."""
    (functions / "copy_raw" / "handler.py").unlink()
    with pytest.raises(FileNotFoundError, match=r"copy_raw/handler\.py"):
        _bundled(tmp_path, functions)


def test_checkout_builds_with_its_contract_and_every_adapter(tmp_path: Path) -> None:
    """The transform's zip holds this checkout's contract and all its adapters, and no bytecode."""
    built = build(tmp_path)
    with zipfile.ZipFile(built.transform_zip) as archive:
        names = archive.namelist()
        assert compile_contract() == json.loads(archive.read("contract.json"))
        assert {n: compile_source(n) for n in known_sources()} == json.loads(archive.read("sources.json"))
    assert sorted(names) == names
    assert {".py", ".json", ".txt"} == {Path(name).suffix for name in names}
    with zipfile.ZipFile(built.copy_zip) as archive:
        assert "handler.py" in archive.namelist()


def test_an_adapter_that_is_refused_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys is told in a sentence which file is wrong, and where in it."""

    def refuse(name: str) -> dict[str, Any]:
        raise AdapterError(f"{name}.listings.at: nothing stands at ''")

    monkeypatch.setattr("infra.package.build.compile_source", refuse)
    words = r"include/schemas/sources/[a-z0-9-]+\.yaml is refused: .*listings\.at: nothing stands at ''"
    with pytest.raises(DeployError, match=words):
        build(tmp_path)
