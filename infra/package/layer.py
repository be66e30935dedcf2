"""Knows how the Lambda layer is made: what the transform imports, for the machine that Lambda is, and no more.

The versions are those of requirements/local.txt, in whose environment the functions run on the stand-in.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.aws.artifacts import digest, write_zip

PROJECT_ROOT = Path(__file__).resolve().parents[2]
LOCKED = PROJECT_ROOT / "requirements" / "local.txt"
UV = PROJECT_ROOT / ".venv" / "uv" / "bin" / "uv"

PACKAGES = ("msgspec", "pyarrow")
# Lambda's python3.12 runs on Amazon Linux 2023, glibc 2.34.
PLATFORM, PYTHON_VERSION = "x86_64-manylinux_2_28", "3.12"
# What Lambda takes, all layers and the function unzipped.
UNZIPPED_LIMIT = 250_000_000
# Never imported by a function: headers, sources to compile against, tests.
_NEEDLESS = re.compile(
    r"(^|/)(tests?|include|includes|__pycache__)/|\.(pyx|pxd|pxi|pyi|h|hpp|cc|cmake|a)$|\.dist-info/(INSTALLER|REQUESTED|RECORD|uv_.*)$|^\.lock$"
    r"|^bin/|^pyarrow/src/"
)


class LayerError(RuntimeError):
    """The layer could not be built; the message says why."""


def build_layer(out_dir: Path, *, with_pyarrow: bool) -> Path:
    """Builds the layer's zip into `out_dir`, named after its content, and returns its path.

    Without pyarrow it has msgspec alone, for a stack whose LayerArn brings pyarrow. Needs the package index the
    first time. Raises LayerError when a package cannot be had, or the layer is too big for Lambda.
    """
    packages = PACKAGES if with_pyarrow else ("msgspec",)
    with tempfile.TemporaryDirectory() as folder:
        _install(packages, Path(folder))
        # Lambda puts a layer's python/ on the path of a Python function.
        files = {
            f"python/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file() and not _NEEDLESS.search(path.relative_to(folder).as_posix())
        }
    size = sum(map(len, files.values()))
    if size > UNZIPPED_LIMIT:
        raise LayerError(f"The layer has {size:,} bytes unzipped, and Lambda takes {UNZIPPED_LIMIT:,} in all.")
    return write_zip(out_dir / f"runtime-{digest(files)}.zip", files, compress=True)


def _install(packages: Sequence[str], target: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("\n".join(locked(package) for package in packages))
        requirements.flush()
        installed = subprocess.run(
            [
                *(str(UV), "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
                *("--python", sys.executable, "--python-version", PYTHON_VERSION, "--python-platform", PLATFORM),
                *("--target", str(target), "--requirements", requirements.name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if installed.returncode:
        raise LayerError(f"The layer's packages could not be installed: {installed.stderr.strip()}")


def locked(package: str) -> str:
    """The lines of requirements/local.txt that pin a package with its hashes; raises LayerError without any."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*$", LOCKED.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise LayerError(f"{LOCKED} pins no {package}; run make lock.")
    return found.group()
