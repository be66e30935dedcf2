"""Knows how the bytes of a page become values: typed at once where it can be, row by row where it must be.

A page goes through the first of these that works:

1. the whole page into typed structs of the leaves of the plan (msgspec, lax: "12" is a number). They hold the
   ignored fields unread and allow no others, so that a page that passes has no unknown field;
2. the same with others allowed; then its rows are searched for them;
3. the page cut into rows (`msgspec.Raw`), each row typed by itself in these two ways;
4. the standard library's JSON, which also reads NaN, Infinity and broken surrogates, row by row.

A row that cannot be typed is looked at value by value, and becomes a `Fault` that names the first column, in
contract order, whose value is wrong. A page that even the standard library cannot read is `Unreadable`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from fields import Level, Tree, tree_of, unknown_fields
from plan import ANYTHING, FLAG, INTEGER, NUMBER, TEXT, Plan, Rule

# Beyond 64 bits no column can hold it; saying so here keeps the columns free of Python's big integers.
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: Mapping[str, Any] = {NUMBER: float, INTEGER: _INT64, TEXT: str, FLAG: bool, ANYTHING: Any}
# A field that is known and not read: its JSON is passed over, not parsed.
_UNREAD: Any = msgspec.Raw
_SHOWN_LIMIT = 200
_BAD_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Leaves = dict[str, Sequence[Any]]


class Unreadable(ValueError):
    """The page holds no list of rows that anything here can read."""


class Fault(msgspec.Struct, frozen=True):
    """A row that cannot be typed: `column` is None where no single value is to blame."""

    position: int
    column: str | None
    problem: str


class Decoded(msgspec.Struct, frozen=True):
    """A page's typed rows as positions and, per leaf, values in the same order; and its faulty rows.

    `unknown` says, by path, how many of its listings have a field that the adapter does not know. `not_listings` are
    the rows that are none, as they were sent; they are neither typed nor searched for such fields.
    """

    count: int
    positions: Sequence[int]
    rows: Sequence[Any]
    faults: Sequence[Fault]
    unknown: Mapping[str, int]
    not_listings: Sequence[bytes] = ()


class _Node(msgspec.Struct, frozen=True):
    """A struct of some level of the payload, an empty one of it, and per field a leaf's path or the level below.

    The fields that nobody reads are neither in `below` nor among the `values` of a row.
    """

    struct: Any
    empty: Any
    below: "list[_Node | str]"
    values: Callable[[Any], tuple[Any, ...]]


class _Typing(msgspec.Struct, frozen=True):
    """One way to type rows: an item of the list of listings (a row, or what wraps it), and a whole page of them."""

    item_decoder: Any
    envelope: _Node
    page_decoder: Any


class PageReader:
    """Reads the pages of one family. Costly to make (it compiles decoders), cheap to use: keep it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        types = {path: _TYPES[kind] | None for path, kind in plan.leaves.items()}
        known = types | dict.fromkeys(plan.unread, _UNREAD)
        # In the alphabet's order, as zillow56 sends them: msgspec looks for each field behind the last one that it met.
        tree = tree_of(sorted(known))
        self._known = Level.of(tree)
        self._row = _node("Row", tree, known)
        self._row_decoder = msgspec.json.Decoder(self._row.struct, strict=False)
        # Two ways to type a row, with the same fields in the same places; the first allows no others.
        self._closed = self._typing(_node("Row", tree, known, forbid_unknown_fields=True))
        self._open = self._typing(self._row)
        # What tells no listings, alone and of whatever type: all else that a row holds is passed over.
        self._marks = _node("Marks", tree_of(plan.not_listings), dict.fromkeys(plan.not_listings, Any))
        self._marks_page = self._envelope(list[self._marks.struct])  # type: ignore[name-defined]
        self._marks_decoder = msgspec.json.Decoder(self._marks_page.struct)
        self._raw_page = self._envelope(list[msgspec.Raw])
        self._raw_decoder = msgspec.json.Decoder(self._raw_page.struct, strict=False)
        self._leaf_decoders = {path: msgspec.json.Decoder(each, strict=False) for path, each in types.items()}
        self._any_leaves = [path for path, kind in plan.leaves.items() if kind == ANYTHING]
        self._checks = [
            (column.name, rule, path, kind, _above(path))
            for column in plan.payload
            for rule in column.rules
            for path, kind in rule.reads
        ]

    def read(self, page: bytes) -> Decoded:
        """The rows of a page; Unreadable where there is no list of rows."""
        # By row where there are any: a page with a zpid like a building's cannot be typed as a whole.
        if self.plan.not_listings and (not_listings := self._not_listings(page)):
            return self._read_by_row(page, not_listings)
        try:
            rows = self._rows_of(page, self._closed)
        except _BAD_JSON:
            try:
                rows = self._rows_of(page, self._open)
            except _BAD_JSON:
                return self._read_by_row(page, frozenset())
            unknown = Counter(path for body in self.bodies(page) for path in self._unknown_in(body))
            return Decoded(len(rows), range(len(rows)), rows, (), unknown)
        return Decoded(len(rows), range(len(rows)), rows, (), {})

    def bodies(self, page: bytes) -> list[bytes]:
        """Each row of the page as JSON text: as it was sent, or written anew where msgspec cannot cut the page."""
        try:
            return [bytes(raw) for raw in self._list_in(self._raw_page, self._raw_decoder.decode(page))]
        except _BAD_JSON:
            return self._bodies_by_stdlib(page)

    def gather(self, rows: Sequence[Any]) -> Leaves:
        """The rows' values, turned into a list per leaf."""
        leaves: Leaves = {}
        _gather(rows, self._row, leaves)
        return leaves

    def value_at(self, body: bytes, path: str) -> Any:
        """What stands at a path of a row's body, as plain JSON; None where nothing does."""
        try:
            return _at(self._payload(json.loads(body)), path)
        except (ValueError, RecursionError):
            return None

    def _rows_of(self, page: bytes, typing: _Typing) -> list[Any]:
        return self._unwrap(self._list_in(typing.envelope, typing.page_decoder.decode(page)))

    def _read_by_row(self, page: bytes, not_listings: frozenset[int]) -> Decoded:
        bodies = self.bodies(page)
        unknown: Counter[str] = Counter()
        listings = ((at, body) for at, body in enumerate(bodies) if at not in not_listings)
        typed = [(position, self._read_row(position, body, unknown)) for position, body in listings]
        good = [(position, row) for position, row in typed if not isinstance(row, Fault)]
        return Decoded(
            count=len(bodies),
            positions=[position for position, _ in good],
            rows=[row for _, row in good],
            faults=[row for _, row in typed if isinstance(row, Fault)],
            unknown=unknown,
            not_listings=[bodies[position] for position in sorted(not_listings)],
        )

    def _read_row(self, position: int, body: bytes, unknown: Counter[str]) -> Any:
        """The typed row, or its fault; counts the unknown fields that it has."""
        try:
            return self._unwrap([self._closed.item_decoder.decode(body)])[0]
        except _BAD_JSON:
            unknown.update(self._unknown_in(body))
        try:
            return self._unwrap([self._open.item_decoder.decode(body)])[0]
        except _BAD_JSON as fault:
            return self._read_values(position, body, str(fault))

    def _unknown_in(self, body: bytes) -> set[str]:
        return unknown_fields(self._payload(_parsed(body)), self._known)

    def _not_listings(self, page: bytes) -> frozenset[int]:
        """Return the positions of the rows that are no listings."""
        marks: Leaves = {}
        try:
            _gather(self._list_in(self._marks_page, self._marks_decoder.decode(page)), self._marks, marks)
        except _BAD_JSON:
            rows = [_parsed(body) for body in self.bodies(page)]
            marks = {path: [_at(row, path) for row in rows] for path in self.plan.not_listings}
        return frozenset(
            position
            for path, values in self.plan.not_listings.items()
            for position, sent in enumerate(marks[path])
            if isinstance(sent, bool | str) and sent in values
        )

    def _read_values(self, position: int, body: bytes, said: str) -> Any:
        """A row by its leaves alone: what nobody reads may be broken; a leaf that is broken is the fault."""
        try:
            row = self._payload(json.loads(body))
        except (ValueError, RecursionError):
            return Fault(position, None, f"the row cannot be read: {said}")
        if not isinstance(row, dict):
            return Fault(position, None, f"the row is {shown(row)}, expected an object")
        kept: dict[str, Any] = {}
        filled: dict[str, Rule] = {}
        for column, rule, path, kind, above in self._checks:
            problem = self._problem(row, path, kind, above)
            if problem and filled.get(column, rule) is rule:
                return Fault(position, column, problem)
            if not problem:
                _put(kept, path, value := _at(row, path))
                # What a later rule of the column would read does not count then.
                if path == rule.path and value is not None and not rule.is_unknown(value):
                    filled.setdefault(column, rule)
        for path in self._any_leaves:
            _put(kept, path, bool(_at(row, path)))
        return self._row_decoder.decode(json.dumps(kept).encode())

    def _problem(self, row: dict[str, Any], path: str, kind: str, above: Sequence[str]) -> str | None:
        for parent in above:
            there = _at(row, parent)
            if there is not None and not isinstance(there, dict):
                return f"{parent} is {shown(there)}, expected an object"
        value = _at(row, path)
        if value is None:
            return None
        try:
            self._leaf_decoders[path].decode(json.dumps(value).encode())
        except _BAD_JSON:
            return f"{path} is {shown(value)}, expected {_EXPECTED[kind]}"
        return None

    def _payload(self, item: Any) -> Any:
        return item.get(self.plan.each) if self.plan.each and isinstance(item, dict) else item

    def _typing(self, row: _Node) -> _Typing:
        each = self.plan.each
        item = msgspec.defstruct("Item", [("f0", row.struct)], rename={"f0": each}) if each else row.struct
        envelope = self._envelope(list[item])  # type: ignore[valid-type]
        return _Typing(
            item_decoder=msgspec.json.Decoder(item, strict=False),
            envelope=envelope,
            page_decoder=msgspec.json.Decoder(envelope.struct, strict=False),
        )

    def _unwrap(self, items: list[Any]) -> list[Any]:
        return [item.f0 for item in items] if self.plan.each else items

    def _envelope(self, rows: Any) -> _Node:
        paths = self.plan.listings_at
        return _node("Envelope", tree_of(paths), dict.fromkeys(paths, rows | None))

    def _list_in(self, node: _Node, envelope: Any) -> list[Any]:
        found: Leaves = {}
        _gather([envelope], node, found)
        for path in self.plan.listings_at:
            if found[path][0] is not None:
                return found[path][0]  # type: ignore[no-any-return]
        raise msgspec.ValidationError("no list of listings")

    def _bodies_by_stdlib(self, page: bytes) -> list[bytes]:
        try:
            document = json.loads(page)
            for path in self.plan.listings_at:
                rows = _at(document, path)
                if isinstance(rows, list):
                    return [json.dumps(row).encode() for row in rows]
        except (ValueError, RecursionError) as fault:
            raise Unreadable(f"the page is not JSON: {fault}") from fault
        raise Unreadable(f"the page has no list at {' or '.join(self.plan.listings_at)}")


_EXPECTED = {
    NUMBER: "a number",
    INTEGER: "a whole number of at most 64 bits",
    TEXT: "a text of valid Unicode",
    FLAG: "true or false",
}


def _node(name: str, tree: Tree, types: Mapping[str, Any], forbid_unknown_fields: bool = False) -> _Node:
    """A struct with a field per name of the tree; what is absent is None, or an empty struct.

    The fields are f0, f1, ... in the tree's order, since a name in JSON need not be one in Python.
    """
    members: list[tuple[str, Any, Any]] = []
    below: dict[str, _Node | str] = {}
    for index, (key, inside) in enumerate(tree.items()):
        if isinstance(inside, str):
            members.append((f"f{index}", types[inside], None))
            if types[inside] is not _UNREAD:
                below[f"f{index}"] = inside
        else:
            node = _node(key, inside, types, forbid_unknown_fields)
            members.append((f"f{index}", node.struct | None, node.empty))
            if node.below:
                below[f"f{index}"] = node
    names = {f"f{index}": key for index, key in enumerate(tree)}
    # No cycle can arise among numbers, texts and frozen structs: the collector need not look at them.
    options: dict[str, Any] = {"frozen": True, "gc": False, "forbid_unknown_fields": forbid_unknown_fields}
    struct = msgspec.defstruct(name, members, rename=names, **options)
    return _Node(struct, struct(), list(below.values()), _getter(list(below)))


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Reads these attributes as a tuple, which `attrgetter` makes of two or more."""
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda row: (get(row),)
    return attrgetter(*names) if names else lambda row: ()


def _gather(rows: Sequence[Any], node: _Node, into: Leaves) -> None:
    columns = zip(*map(node.values, rows), strict=True) if rows else [()] * len(node.below)
    for below, values in zip(node.below, columns, strict=True):
        if isinstance(below, str):
            into[below] = values
        else:
            # An object that was sent as null has no values, like one that was not sent.
            _gather([below.empty if value is None else value for value in values], below, into)


def _above(path: str) -> tuple[str, ...]:
    """The objects that a path goes through, outermost first."""
    parts = path.split(".")
    return tuple(".".join(parts[:count]) for count in range(1, len(parts)))


def _parsed(body: bytes) -> Any:
    """A row as plain values; None where nothing can read it."""
    try:
        return msgspec.json.decode(body)
    except _BAD_JSON:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[name] = value


def shown(value: Any) -> str:
    """A value as JSON, cut to what a sentence can hold."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= _SHOWN_LIMIT else f"{text[:_SHOWN_LIMIT]}…"
