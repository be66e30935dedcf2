"""QUALIFY, which PostgreSQL lacks: the condition is computed in a subquery and applied around it."""

from sqlglot import exp

from local.redshift.errors import not_imitated

_CONDITION = "rs_qualify"


def rewrite(select: exp.Select) -> exp.Select:
    """The same rows without QUALIFY; the select itself when it has none."""
    clause = select.args.get("qualify")
    if clause is None:
        return select
    inner = select.copy()
    inner.set("qualify", None)
    outer = exp.Select()
    for moved in ("with_", "with", "distinct", "limit", "offset"):
        if inner.args.get(moved) is not None:
            outer.set(moved, inner.args[moved].pop())
    aliases = {p.alias.lower(): p.this for p in inner.expressions if isinstance(p, exp.Alias)}
    condition = _expand(clause.this.copy(), aliases)
    projections: list[exp.Expr] = []
    kept: list[exp.Expr] = []
    for number, projection in enumerate(inner.expressions):
        for source in _star_sources(projection, inner):
            # The whole row travels as one value and is opened outside: `select *` must not grow a column.
            row = f"rs_row_{number}_{source}"
            projections.append(exp.alias_(exp.column(exp.to_identifier(source, quoted=True)), row))
            kept.append(exp.Dot(this=exp.Paren(this=exp.column(row)), expression=exp.Star()))
        if not projection.is_star:
            name = projection.alias_or_name or projection.name or f"column{number + 1}"
            projections.append(projection if projection.alias_or_name else exp.alias_(projection, name))
            kept.append(exp.column(exp.to_identifier(projections[-1].alias_or_name, quoted=True)))
    order = inner.args.get("order")
    if order is not None:
        inner.set("order", None)
        outer.set("order", _order(order, aliases, projections))
    projections.append(exp.alias_(exp.Paren(this=condition), _CONDITION))
    inner.set("expressions", projections)
    outer.set("expressions", kept)
    return outer.from_(inner.subquery("rs_qualified"), copy=False).where(exp.column(_CONDITION), copy=False)


def _expand(condition: exp.Expr, aliases: dict[str, exp.Expr]) -> exp.Expr:
    """The condition with the aliases of the select list written out."""
    for node in list(condition.find_all(exp.Column)):
        meant = aliases.get(node.name.lower()) if not node.table else None
        if meant is None:
            continue
        if node is condition:
            return exp.Paren(this=meant.copy())
        node.replace(exp.Paren(this=meant.copy()))
    return condition


def _star_sources(projection: exp.Expr, select: exp.Select) -> list[str]:
    """The relations that a `*` or `t.*` stands for, in order; none for an ordinary column."""
    if not projection.is_star:
        return []
    if isinstance(projection, exp.Column):
        return [projection.table]
    if not isinstance(projection, exp.Star) or projection.args.get("except_") or projection.args.get("except"):
        raise not_imitated("this form of * with QUALIFY")
    joins = select.args.get("joins") or []
    if any(join.args.get("using") or join.args.get("method") for join in joins):
        raise not_imitated("SELECT * with QUALIFY over JOIN ... USING")
    source = select.args.get("from_") or select.args.get("from")
    if source is None:
        raise not_imitated("SELECT * without FROM")
    return [str(part.this.alias_or_name) for part in [source, *joins]]


def _order(order: exp.Order, aliases: dict[str, exp.Expr], projections: list[exp.Expr]) -> exp.Order:
    """ORDER BY outside, on names the subquery carries out for it."""
    for number, key in enumerate(order.expressions):
        named = isinstance(key.this, exp.Column) and not key.this.table and key.this.name.lower() in aliases
        if named or isinstance(key.this, exp.Literal):
            continue
        carried = f"rs_order_{number}"
        projections.append(exp.alias_(key.this.copy(), carried))
        key.this.replace(exp.column(carried))
    return order
