"""The Lambda layer: the same bytes twice, small enough, and enough for the transform on Lambda's own Python.

Its packages come from the package index, unless uv has them from another time.
"""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.package.build import PROJECT_ROOT, build
from infra.package.layer import LayerError, build_layer

FLOORS = PROJECT_ROOT / ".venv" / "floors" / "bin" / "python"
# How uv puts it that a request got no answer.
UNANSWERED = "error sending request"

# Pyarrow is fetched and compressed.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole layer; where nobody answers for the package index there is none to look at, except in CI."""
    try:
        return build_layer(tmp_path_factory.mktemp("layer"), with_pyarrow=True)
    except LayerError as fault:
        if UNANSWERED not in str(fault) or os.environ.get("CI"):
            raise
        pytest.skip(f"the package index does not answer: {fault}")


def test_layer_is_the_same_bytes_twice(layer: Path, tmp_path: Path) -> None:
    """Built again it has the same name and the same bytes."""
    again = build_layer(tmp_path, with_pyarrow=True)
    assert layer.name == again.name
    assert layer.read_bytes() == again.read_bytes()


def test_layer_has_what_the_transform_imports_and_no_pandas(layer: Path) -> None:
    """msgspec and pyarrow under python/, for Lambda's machine; nothing that a function never imports."""
    names = zipfile.ZipFile(layer).namelist()
    tops = {name.split("/")[1].split("-")[0] for name in names}
    assert {"msgspec", "pyarrow"} == tops
    assert all(name.startswith("python/") for name in names)
    assert any(name.endswith(".cpython-312-x86_64-linux-gnu.so") for name in names)
    assert not [name for name in names if "/tests/" in name or "/include/" in name]


def test_layer_beside_aws_s_own_has_msgspec_only(layer: Path, tmp_path: Path) -> None:
    """Where a layer of AWS's brings pyarrow, ours weighs next to nothing."""
    small = build_layer(tmp_path, with_pyarrow=False)
    assert layer.stat().st_size > 10_000_000
    assert not [name for name in zipfile.ZipFile(small).namelist() if "pyarrow" in name]
    assert small.stat().st_size < 1_000_000


def test_transform_runs_on_the_layer_alone(layer: Path, tmp_path: Path) -> None:
    """The built function is imported by Python 3.12 with nothing but the layer, and writes Parquet."""
    if not FLOORS.exists():
        assert "CI" not in os.environ, "make test-floors comes first there"
        pytest.skip("Lambda's Python 3.12 comes with the environment of `make test-floors`")
    if b"Python 3.12" not in subprocess.run([str(FLOORS), "--version"], capture_output=True, check=True).stdout:
        pytest.skip("there is no Python 3.12 here, which Lambda runs")
    zipfile.ZipFile(layer).extractall(tmp_path)
    zipfile.ZipFile(build(tmp_path).transform_zip).extractall(tmp_path / "function")
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "import transform, pyarrow as pa, pyarrow.parquet as pq, io\n"
        "out = io.BytesIO(); pq.write_table(pa.table({'a': [1]}), out, compression='zstd')\n"
        "print(sorted({m.__file__.split('/python/')[0] for m in (sys.modules['msgspec'], pa)}))"
    )
    ran = subprocess.run(
        [str(FLOORS), "-I", "-S", "-c", program, str(tmp_path / "function"), str(tmp_path / "python")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (f"['{tmp_path}']", "") == (ran.stdout.strip(), ran.stderr)
