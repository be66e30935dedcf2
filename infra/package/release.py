"""Knows what the EC2 host needs of this checkout, and packs it into a bundle named after its content."""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.aws.artifacts import digest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_OUT = PROJECT_ROOT / ".local" / "build"

# What Airflow's processes read, and what installs them. The tools' own settings stay at home.
FOLDERS = ("dags", "include", "plugins", "infra/host")
FILES = ("infra/__init__.py", "requirements/airflow.txt", "requirements/uv.txt", "tools/environments.py")
_HIDDEN_BUT_NEEDED = (".airflowignore",)

# Any fixed time would do; this is the one in the functions' zips.
_EPOCH = 315532800  # 1980-01-01T00:00:00Z


@dataclass(frozen=True)
class Release:
    """A bundle on disk, and the name of the folder that the host unpacks it into."""

    path: Path
    name: str


def build_release(out_dir: Path, root: Path = PROJECT_ROOT) -> Release:
    """Packs the checkout at `root` into `out_dir`, made if absent; the same content gives the same bytes.

    Raises FileNotFoundError when a file or folder that the host needs is not there.
    """
    files = dict(_content(root))
    name = f"listings-{digest(files)}"
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{name}.tar.gz"
    path.write_bytes(_archive(files))
    return Release(path, name)


def _content(root: Path) -> Iterator[tuple[str, bytes]]:
    """Path in the bundle and bytes of each file."""
    for name in FILES:
        yield name, _existing(root / name).read_bytes()
    for folder in FOLDERS:
        for path in sorted(_existing(root / folder).rglob("*")):
            if path.is_file() and _is_needed(path.relative_to(root)):
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"The host needs {path}, and it is not there. Run from a complete checkout.")
    return path


def _is_needed(path: Path) -> bool:
    hidden = [part for part in path.parts if part.startswith(".") and part not in _HIDDEN_BUT_NEEDED]
    return not hidden and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _archive(files: Mapping[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(files[name]), _EPOCH
            # By its name, not as the disk has it: a checkout on another system may have lost the mode.
            entry.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return gzip.compress(plain.getvalue(), mtime=0)


def main(arguments: list[str] | None = None) -> int:
    """Builds the bundle and prints where it is."""
    parser = argparse.ArgumentParser(prog="python -m infra.package.release", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the bundle (%(default)s)")
    sys.stdout.write(f"{build_release(parser.parse_args(arguments).out).path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
