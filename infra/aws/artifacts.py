"""Knows how what is built gets its name and its bytes: from its content, the same whoever builds it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

_HASH_DIGITS = 12
# The earliest time that a zip can hold. Any fixed one would do.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16


def digest(files: Mapping[str, bytes]) -> str:
    """First hex digits of SHA-256 over names and contents, whatever order the disk gave them in."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return whole.hexdigest()[:_HASH_DIGITS]


def write_zip(path: Path, files: Mapping[str, bytes], *, compress: bool = False) -> Path:
    """Writes `files`, content by name, as a zip without a trace of when and where; returns its path.

    Stored it is the same bytes everywhere; compressed only where zlib is the same, since compressors differ.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _ZIP_EPOCH)
            info.create_system = 3  # Unix, also when built elsewhere: it decides how the mode is read
            info.external_attr = _READABLE_FILE
            info.compress_type = archive.compression
            archive.writestr(info, files[name])
    return path
