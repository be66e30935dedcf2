"""Rewrites queries: text edits for functions and names, a syntax tree only for what needs one."""

import re
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ErrorLevel, SqlglotError, UnsupportedError
from sqlglot.parsers.redshift import RedshiftParser

from local.redshift import gate, qualify
from local.redshift.errors import SqlError, not_imitated, unsupported_by_redshift
from local.redshift.functions import DATE_PARTS, RENAMED
from local.redshift.lexer import Edit, apply_edits, postgres_name, tokenize

_NEEDS_TREE = frozenset({"QUALIFY", "LISTAGG", "MEDIAN", "PERCENTILE_CONT", "DECODE", "NVL2", "RATIO_TO_REPORT"})


class _RedshiftAsWritten(Redshift):
    """Redshift's grammar, with every function left as written: their meaning is the prelude's business."""

    class Parser(RedshiftParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser
            for name, parser in RedshiftParser.FUNCTION_PARSERS.items()
            if name in ("CAST", "EXTRACT", "TRIM", "SUBSTRING", "POSITION", "OVERLAY")
        }


def rewrite_query(sql: str) -> str:
    """A query, DML statement or view body for PostgreSQL; SqlError for what is refused."""
    tokens = tokenize(sql)
    gate.check_query(tokens)
    sql = apply_edits(sql, _name_edits(sql))
    through_tree = any(token.upper in _NEEDS_TREE for token in tokens)
    if through_tree:
        sql = _through_tree(sql)
    return apply_edits(sql, _call_edits(sql, escapes=not through_tree))


def _name_edits(sql: str) -> list[Edit]:
    """Quoted names folded, `#temp` quoted, APPROXIMATE left out (an exact count is a good approximation)."""
    edits = []
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        if token.kind == "quoted" or token.text.startswith("#"):
            edits.append(Edit(token.start, token.end, postgres_name([token])))
        if token.upper == "APPROXIMATE" and [t.upper for t in tokens[index + 1 : index + 2]] == ["COUNT"]:
            edits.append(Edit(token.start, token.end, ""))
    return edits


def _call_edits(sql: str, escapes: bool) -> list[Edit]:
    """Functions that PostgreSQL names otherwise, bare date parts, SYSDATE, NUMERIC's default, backslashes."""
    edits = []
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        before = tokens[index - 1].upper if index else ""
        after = tokens[index + 1].text if index + 1 < len(tokens) else ""
        call = token.kind == "word" and after == "(" and before != "."
        if escapes and token.kind == "string" and token.text[0] == "'" and "\\" in token.text:
            edits.append(Edit(token.start, token.start, "E"))
        elif call and token.upper in RENAMED:
            edits.append(Edit(token.start, token.end, RENAMED[token.upper]))
        elif call and token.upper in DATE_PARTS and tokens[index + 2].kind == "word" and tokens[index + 3].text == ",":
            part = tokens[index + 2]
            edits.append(Edit(part.start, part.end, f"'{part.text.lower()}'"))
        elif token.upper == "SYSDATE" and not call and before not in (".", "AS"):
            edits.append(Edit(token.start, token.end, "rs.sysdate()"))
        elif token.upper in ("NUMERIC", "DECIMAL") and after != "(" and before in ("::", "AS"):
            edits.append(Edit(token.end, token.end, "(18,0)"))  # Redshift's default, which rounds
    return edits


def _through_tree(sql: str) -> str:
    try:
        tree = sqlglot.parse_one(sql, read=_RedshiftAsWritten)
    except SqlglotError as error:
        first_line = re.sub(r"\x1b\[\d*m", "", str(error)).split("\n")[0]
        raise SqlError("42601", f"syntax error: {first_line}") from error
    for select in tree.find_all(exp.Select):
        _refuse_different_orders(select)
    for node in reversed(list(tree.dfs())):  # children before their parents
        new = qualify.rewrite(node) if isinstance(node, exp.Select) else _replace(node)
        if new is not node and node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    try:
        return tree.sql(dialect=Postgres, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise not_imitated(f"this query ({error})") from error


def _refuse_different_orders(select: exp.Select) -> None:
    """Redshift sorts once for all LISTAGG, MEDIAN and PERCENTILE_CONT aggregates of a query, a subquery on its own."""
    orders = set()
    for node in select.find_all(exp.WithinGroup, exp.Anonymous):
        if node.parent_select is not select or isinstance(node.parent, exp.Window):
            continue
        if isinstance(node, exp.WithinGroup):
            orders.add(node.expression.sql().removesuffix(" ASC"))
        elif _call_name(node) == "MEDIAN":
            orders.add(exp.Order(expressions=[exp.Ordered(this=node.expressions[0].copy())]).sql())
    if len(orders) > 1:
        raise unsupported_by_redshift("within group ORDER BY clauses for aggregate functions must be the same")


def _call_name(node: exp.Expr | None) -> str:
    return str(node.this).upper() if isinstance(node, exp.Anonymous) else ""


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _replace(node: exp.Expr) -> exp.Expr:
    """One node of the tree: Redshift's functions in PostgreSQL's terms."""
    name = _call_name(node)
    if name == "DECODE":
        return _decode(node.expressions)
    if name == "NVL2":
        given, then, otherwise = node.expressions
        is_null = exp.Is(this=given, expression=exp.Null())
        return exp.Case(ifs=[exp.If(this=is_null, true=otherwise)], default=then)
    if name == "MEDIAN":
        return _percentile(node.expressions[0], exp.Literal.number("0.5"))
    if isinstance(node, exp.WithinGroup):
        return _within_group(node)
    if name == "LISTAGG" and not isinstance(node.parent, exp.WithinGroup):
        return _listagg(node, None)
    if isinstance(node, exp.Window):
        return _window(node)
    return node


def _decode(arguments: list[exp.Expr]) -> exp.Expr:
    """DECODE(x, a, b, ..., default): NULL equals NULL."""
    value, *rest = arguments
    branches = []
    while len(rest) > 1:
        key, result, *rest = rest
        same = _call("rs.same", value.copy(), key)
        if isinstance(key, exp.Null):
            same = exp.Is(this=value.copy(), expression=exp.Null())
        elif isinstance(key, exp.Literal):
            same = exp.EQ(this=value.copy(), expression=key)
        branches.append(exp.If(this=same, true=result))
    return exp.Case(ifs=branches, default=rest[0] if rest else None)


def _percentile(value: exp.Expr, fraction: exp.Expr) -> exp.Expr:
    """PostgreSQL takes no ordered-set aggregate over a window, so values are gathered and looked up."""
    return _call("rs.percentile", _call("array_agg", value), fraction)


def _within_group(node: exp.WithinGroup) -> exp.Expr:
    name = _call_name(node.this)
    if name == "LISTAGG":
        return _listagg(node.this, node.expression)
    if name != "PERCENTILE_CONT":
        raise not_imitated(f"{name or node.this.sql()} WITHIN GROUP")
    ordered = node.expression.expressions[0]
    fraction = node.this.expressions[0]
    if ordered.args.get("desc"):
        fraction = exp.Sub(this=exp.Literal.number(1), expression=exp.Paren(this=fraction))
    return _percentile(ordered.this, fraction)


def _listagg(node: exp.Expr, order: exp.Expr | None) -> exp.Expr:
    """LISTAGG([DISTINCT] x [, separator]) [WITHIN GROUP (ORDER BY ...)]; DISTINCT sorts by x itself."""
    value, *rest = node.expressions
    distinct = isinstance(value, exp.Distinct)
    if distinct:
        value, *inner = value.expressions
        rest = inner or rest
    text = exp.cast(value, "text")
    separator: exp.Expr = rest[0] if rest else exp.Literal.string("")
    if order is not None:
        keys = order.expressions
        if distinct:
            if len(keys) != 1 or keys[0].this.sql() != value.sql():
                raise not_imitated("LISTAGG(DISTINCT x) ordered by anything but x")
            keys = [exp.Ordered(this=text.copy(), desc=keys[0].args.get("desc"))]
        separator = exp.Order(this=separator, expressions=keys)
    return _call("string_agg", exp.Distinct(expressions=[text]) if distinct else text, separator)


def _window(node: exp.Window) -> exp.Expr:
    """OVER belongs to the gathered values, not to the look-up around them."""
    name = _call_name(node.this)
    if name == "RS.PERCENTILE":
        lookup: exp.Expr = node.this.copy()
        over = node.copy()
        over.set("this", lookup.expressions[0].copy())
        lookup.expressions[0].replace(over)
        return lookup
    if name == "RATIO_TO_REPORT":
        value = node.this.expressions[0]
        total = node.copy()
        total.set("this", _call("sum", value.copy()))
        return exp.Div(this=exp.cast(value.copy(), "float8"), expression=total)
    return node
