"""Rewrites CREATE TABLE and ALTER TABLE: Redshift's storage attributes leave the SQL and travel in a comment.

The prelude's event trigger reads the comment and keeps the attributes for svv_table_info and pg_table_def.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from local.redshift.errors import SqlError, not_imitated, syntax_error, unsupported_by_redshift
from local.redshift.lexer import Token, closing, name_end, postgres_name, words

_TYPES = words(
    """
    SMALLINT INT2 INTEGER INT INT4 BIGINT INT8 DECIMAL NUMERIC REAL FLOAT4 DOUBLE FLOAT8 FLOAT BOOLEAN BOOL CHAR
    CHARACTER NCHAR BPCHAR VARCHAR NVARCHAR TEXT DATE TIMESTAMP TIMESTAMPTZ TIME TIMETZ
    """
)
_ONLY_REDSHIFT = frozenset({"SUPER", "VARBYTE", "VARBINARY", "GEOMETRY", "GEOGRAPHY", "HLLSKETCH", "INTERVAL"})
_COLUMN_WORDS = words(
    """
    ENCODE DISTKEY SORTKEY NOT NULL DEFAULT PRIMARY UNIQUE REFERENCES CHECK IDENTITY GENERATED COLLATE CONSTRAINT
    """
)
_WITHOUT_EFFECT = {("SORTKEY", "AUTO"), ("ENCODE", "AUTO"), ("BACKUP", "YES"), ("BACKUP", "NO")}
BYTES_CONSTRAINT = "varchar_bytes"


@dataclass
class _Attributes:
    """How Redshift would store the table: kept for people to read, without effect here."""

    table: str
    diststyle: str = "AUTO(ALL)"
    distkey: str | None = None
    sortkey: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)

    def comment(self) -> str:
        """Hexadecimal, so that no name can end the comment."""
        return "/*rs " + json.dumps(vars(self)).encode().hex() + "*/"


def create_table(sql: str, tokens: list[Token], rewrite_query: Callable[[str], str]) -> str:
    """CREATE TABLE for PostgreSQL; SqlError for what Redshift or the endpoint refuses."""
    upper = [token.upper for token in tokens]
    at = upper.index("TABLE") + 1
    if any(word not in ("LOCAL", "TEMP", "TEMPORARY") for word in upper[1 : at - 1]):
        raise syntax_error(tokens[1].text)
    exists = upper[at : at + 3] == ["IF", "NOT", "EXISTS"]
    start = at + 3 * exists
    at = name_end(tokens, start)
    name = postgres_name(tokens[start:at])
    temporary = "TEMP" in upper[:start] or "TEMPORARY" in upper[:start] or tokens[at - 1].text.startswith("#")
    attributes = _Attributes(name)
    body = ""
    inside: list[Token] | None = None
    if upper[at : at + 1] == ["("]:
        end = closing(tokens, at)
        inside, at = tokens[at + 1 : end], end + 1
    at = _table_attributes(tokens, at, attributes)
    if at < len(tokens):
        query = sql[tokens[at + 1].start :]
        body = " as " + rewrite_query(query)
        columns = None if inside is None else ", ".join(postgres_name([t]) for t in inside if t.text != ",")
    else:
        if inside is None:
            raise syntax_error("end of input")
        items = [_item(sql, item, attributes) for item in split_items(inside)]
        columns = ", ".join(item for item in items if item)
    head = f"create {'temp ' if temporary else ''}table {'if not exists ' if exists else ''}{name}"
    return f"{attributes.comment()} {head}{'' if columns is None else f' ({columns})'}{body}"


def split_items(tokens: list[Token]) -> list[list[Token]]:
    """A comma-separated list's items; commas inside parentheses do not count."""
    items: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items


def _table_attributes(tokens: list[Token], at: int, attributes: _Attributes) -> int:
    """Take the attributes after the column list; returns the index of AS, or the end."""
    upper = [token.upper for token in tokens]
    while at < len(upper) and upper[at] != "AS":
        word = upper[at]
        if word == "DISTSTYLE" and upper[at + 1 : at + 2] in (["AUTO"], ["EVEN"], ["ALL"], ["KEY"]):
            attributes.diststyle = "AUTO(ALL)" if upper[at + 1] == "AUTO" else upper[at + 1]
            at += 2
        elif word in ("DISTKEY", "SORTKEY") and upper[at + 1 : at + 2] == ["("]:
            end = closing(tokens, at + 1)
            names = [token.name for token in tokens[at + 2 : end] if token.text != ","]
            if word == "DISTKEY":
                _distribute(attributes, names[0])
            else:
                attributes.sortkey = names
            at = end + 1
        elif (word, *upper[at + 1 : at + 2]) in _WITHOUT_EFFECT:
            at += 2
        elif word in ("COMPOUND", "INTERLEAVED") and upper[at + 1 : at + 2] == ["SORTKEY"]:
            at += 1
        else:
            raise syntax_error(tokens[at].text)
    return at


def _distribute(attributes: _Attributes, column: str) -> None:
    attributes.distkey = column
    attributes.diststyle = f"KEY({column})"


def _item(sql: str, tokens: list[Token], attributes: _Attributes) -> str:
    """One item of the column list; empty when nothing of it is left (a foreign key)."""
    if not tokens:
        raise syntax_error(",")
    upper = [token.upper for token in tokens]
    if upper[0] == "LIKE":
        end = name_end(tokens, 1)
        rest = upper[end:]
        if rest not in ([], ["INCLUDING", "DEFAULTS"], ["EXCLUDING", "DEFAULTS"]):
            raise syntax_error(tokens[end].text)
        return " ".join(["like", postgres_name(tokens[1:end]), *rest, "including constraints"])
    constraint = upper[2:] if upper[0] == "CONSTRAINT" else upper
    if constraint[0] == "CHECK" or "CHECK" in constraint[:1]:
        raise unsupported_by_redshift("CHECK constraints are not supported")
    if constraint[0] == "FOREIGN":
        return ""
    if constraint[0] in ("PRIMARY", "UNIQUE") and upper[0] in ("CONSTRAINT", "PRIMARY", "UNIQUE"):
        return sql[tokens[0].start : tokens[-1].end]
    return column(sql, tokens, attributes)


def column(sql: str, tokens: list[Token], attributes: _Attributes) -> str:
    """A column's definition: its type made explicit, storage attributes taken out, VARCHAR measured in bytes."""
    if len(tokens) < 2:
        raise syntax_error(tokens[0].text)
    name = tokens[0].name
    kept = [postgres_name(tokens[:1])]
    end = next((i for i, t in enumerate(tokens) if i > 1 and t.upper in _COLUMN_WORDS), len(tokens))
    type_text, limit = column_type(sql, tokens[1:end], f"{attributes.table}.{name}")
    kept.append(type_text)
    if limit is not None:
        kept.append(f'constraint "{BYTES_CONSTRAINT}_{limit}_{name}" check (octet_length({kept[0]}) <= {limit})')
    while end < len(tokens):
        end = _column_constraint(sql, tokens, end, name, kept, attributes)
    return " ".join(kept)


def column_type(sql: str, tokens: list[Token], column_name: str) -> tuple[str, int | None]:
    """The type for PostgreSQL, with Redshift's default lengths, and the limit in bytes when it is text."""
    first = tokens[0].upper
    text = sql[tokens[0].start : tokens[-1].end]
    if first in _ONLY_REDSHIFT:
        raise not_imitated(f"the type {first}")
    if first not in _TYPES or tokens[-1].text == "]":
        shown = re.sub(r"\s+", "", text).lower()
        raise unsupported_by_redshift(f'Column "{column_name}" has unsupported type "{shown}".')
    arguments = [token.upper for token in tokens if token.kind in ("number",) or token.upper == "MAX"]
    if first in ("DECIMAL", "NUMERIC") and not arguments:
        return "numeric(18,0)", None
    varying = first in ("VARCHAR", "NVARCHAR", "TEXT") or [t.upper for t in tokens[1:2]] == ["VARYING"]
    if varying:
        length = 65535 if arguments == ["MAX"] else int(arguments[0]) if arguments and first != "TEXT" else 256
        if length > 65535:
            raise SqlError("22023", "length for type character varying cannot exceed 65535")
        return f"varchar({length})", length
    if first in ("CHAR", "CHARACTER", "NCHAR", "BPCHAR"):
        length = int(arguments[0]) if arguments else 256 if first == "BPCHAR" else 1
        return f"char({length})", length
    return text, None


def _column_constraint(
    sql: str, tokens: list[Token], at: int, name: str, kept: list[str], attributes: _Attributes
) -> int:
    """Take one constraint or attribute of a column; returns the index after it."""
    word, following = tokens[at].upper, [token.upper for token in tokens[at + 1 : at + 2]]
    if word == "ENCODE" and following:
        attributes.encodings[name] = following[0].lower()
        return at + 2
    if word == "DISTKEY":
        _distribute(attributes, name)
        return at + 1
    if word == "SORTKEY":
        attributes.sortkey.append(name)
        return at + 1
    if word == "NULL" or word == "UNIQUE":
        kept.append(word.lower())
        return at + 1
    if (word, following) in (("NOT", ["NULL"]), ("PRIMARY", ["KEY"])):
        kept.append(f"{word.lower()} {following[0].lower()}")
        return at + 2
    if word == "REFERENCES":
        end = name_end(tokens, at + 1)
        return closing(tokens, end) + 1 if tokens[end : end + 1] and tokens[end].text == "(" else end
    if word == "DEFAULT" and following:
        stops = (i for i in range(at + 2, len(tokens)) if tokens[i].upper in _COLUMN_WORDS - {"NULL"})
        end = next(stops, len(tokens))
        expression = sql[tokens[at + 1].start : tokens[end - 1].end]
        kept.append("default " + re.sub(r"(?i)\bsysdate\b(?!\s*\()", "rs.sysdate()", expression))
        return end
    if word == "CHECK":
        raise unsupported_by_redshift("CHECK constraints are not supported")
    if word in ("IDENTITY", "GENERATED", "COLLATE"):
        raise not_imitated(f"{word} columns")
    raise syntax_error(tokens[at].text)


def alter_table(sql: str, tokens: list[Token]) -> str:
    """ALTER TABLE for PostgreSQL: one column added or dropped, renames, owner, keys."""
    upper = [token.upper for token in tokens]
    if upper[1:2] != ["TABLE"]:
        raise not_imitated(" ".join(upper[:2]))
    end = name_end(tokens, 2)
    name, action = postgres_name(tokens[2:end]), upper[end : end + 2]
    if action[0:1] == ["ADD"] and action[1:] not in (["CONSTRAINT"], ["PRIMARY"], ["UNIQUE"], ["FOREIGN"]):
        start = end + 1 + (action[1:] == ["COLUMN"])
        if upper[start] == "IF":
            raise syntax_error(tokens[start].text)
        items = split_items(tokens[start:])
        if len(items) > 1:
            raise syntax_error(",")
        return f"alter table {name} add column {column(sql, items[0], _Attributes(name))}"
    if action == ["DROP", "COLUMN"] and "," not in upper:
        return sql
    if action[0:1] in (["RENAME"], ["OWNER"]) or (action[0:1] == ["ADD"] and "FOREIGN" not in upper):
        return sql
    if action == ["DROP", "CONSTRAINT"]:
        return sql
    raise not_imitated(f"ALTER TABLE {' '.join(action)}")
