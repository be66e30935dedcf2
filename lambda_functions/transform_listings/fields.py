"""Knows the fields of a listing that an adapter names, as a tree, and finds in a listing those that it does not.

A name from outside may hold anything: in a path it stands as it is where it is plain, else as JSON writes it,
so that a dot in a name is no level; a long path is cut.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_PATH = 100

Tree = dict[str, Any]  # name -> Tree, or the whole path where the name is a leaf


def tree_of(paths: Iterable[str]) -> Tree:
    """The paths as a tree; ValueError where one is a leaf and another goes through it."""
    root: Tree = {}
    for path in paths:
        *parents, name = path.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
            if isinstance(node, str):
                raise ValueError(f"the adapter reads {node} as a value and {path} inside it")
        if node.setdefault(name, path) != path:
            raise ValueError(f"the adapter reads {path} as a value and others inside it")
    return root


class Level(msgspec.Struct, frozen=True):
    """What may stand in an object of a listing: its fields' names, and of those that are looked into what is inside."""

    above: str
    names: frozenset[str]
    inside: "tuple[tuple[str, Level], ...]"

    @classmethod
    def of(cls, tree: Tree, above: str = "") -> "Level":
        """The level of a tree and those below it; `above` is the path to it, with a dot at its end."""
        deeper = [
            (name, cls.of(inside, f"{above}{name}.")) for name, inside in tree.items() if isinstance(inside, dict)
        ]
        return cls(above, frozenset(tree), tuple(deeper))


def unknown_fields(listing: Any, known: Level) -> set[str]:
    """Paths of the fields with a value that are not known. Only objects that the adapter names are looked into."""
    found: set[str] = set()
    _look(listing, known, found)
    return found


def _look(listing: Any, known: Level, found: set[str]) -> None:
    if not isinstance(listing, dict):
        return
    for name in listing.keys() - known.names:
        if listing[name] in (None, {}):
            continue
        found.add(_cut(known.above + (name if _PLAIN_NAME.fullmatch(name) else json.dumps(name))))
    for name, inside in known.inside:
        if name in listing:
            _look(listing[name], inside, found)


def _cut(path: str) -> str:
    return path if len(path) <= _LONGEST_PATH else f"{path[: _LONGEST_PATH - 1]}…"
