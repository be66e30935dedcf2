"""Knows how the Lambda functions become zips that are the same bytes whoever builds them.

A zip is named after its content, so a stack is updated exactly when code, contract or an adapter changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from include.base.refusals import Refused
from include.contract.families import compile_source, known_sources

# The one exception to the import law of this folder: the functions import nothing of ours, so somebody must
# hand them the compiled contract and adapters, and that is what a build does.
from include.contract.listing import compile_contract
from infra.aws.account import DeployError
from infra.aws.artifacts import digest, write_zip
from infra.package.layer import PACKAGES, locked

PROJECT_ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = PROJECT_ROOT / "lambda_functions"
DEFAULT_OUT = PROJECT_ROOT / ".local" / "build"


@dataclass(frozen=True)
class Bundle:
    """The built functions: two zips, and the version under which the transform writes its output."""

    copy_zip: Path
    transform_zip: Path
    transform_version: str


def build(out_dir: Path) -> Bundle:
    """Builds both functions of this checkout into `out_dir`, made if absent; older zips stay beside them.

    Raises FileNotFoundError when a function has no handler.py, and DeployError when the contract or an adapter does
    not compile.
    """
    return bundle(
        out_dir,
        FUNCTIONS,
        contract=_compiled("listing.odcs.yaml", compile_contract),
        sources={
            name: _compiled(f"sources/{name}.yaml", partial(compile_source, name)) for name in sorted(known_sources())
        },
        layer=[locked(package).split()[0] for package in PACKAGES],
    )


def _compiled(file: str, compile_it: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is made of a file below include/schemas; a person who wrote it is told which, and what is wrong."""
    try:
        return compile_it()
    except Refused as refused:
        raise DeployError(f"include/schemas/{file} is refused: {refused}") from refused


def bundle(
    out_dir: Path,
    functions: Path,
    contract: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    layer: Sequence[str] = (),
) -> Bundle:
    """Builds the functions found in `functions` with a given compiled contract and compiled adapters.

    `layer` pins what the transform imports from it: another version may clean otherwise.
    """
    transform_files = _code(functions / "transform_listings")
    transform_files["contract.json"] = _json(contract)
    transform_files["sources.json"] = _json(sources)
    version = digest({**transform_files, "layer": "\n".join(layer).encode()})
    # The code says itself which it is: its environment, which names it too, is updated before it or after it.
    transform_files["version.txt"] = f"{version}\n".encode()
    return Bundle(
        copy_zip=_named_zip(out_dir, "copy_raw", _code(functions / "copy_raw")),
        transform_zip=_named_zip(out_dir, "transform_listings", transform_files),
        transform_version=version,
    )


def _code(folder: Path) -> dict[str, bytes]:
    """The Python files of one function by their path in the zip; no bytecode, which carries build facts."""
    if not (folder / "handler.py").is_file():
        raise FileNotFoundError(
            f"Expected the function's entry point at {folder / 'handler.py'}, found no such file. "
            "Run from a complete checkout."
        )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}


def _json(value: Mapping[str, Any]) -> bytes:
    # Order is kept: the contract's columns, and a map's order, mean something.
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _named_zip(out_dir: Path, name: str, files: Mapping[str, bytes]) -> Path:
    return write_zip(out_dir / f"{name}-{digest(files)}.zip", files)


def main(arguments: list[str] | None = None) -> int:
    """Builds, and prints where the zips are and which version the transform has."""
    parser = argparse.ArgumentParser(prog="python -m infra.package.build", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the zips (%(default)s)")
    built = build(parser.parse_args(arguments).out)
    for path in (built.copy_zip, built.transform_zip):
        sys.stdout.write(f"{path}  {path.stat().st_size:,} bytes\n")
    sys.stdout.write(f"transform_version {built.transform_version}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
