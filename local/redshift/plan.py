"""Decides for each statement what is done: passed on, perhaps rewritten, or done by the endpoint itself."""

import functools
import re
from dataclasses import dataclass

from local.redshift import ddl, gate
from local.redshift.copy_statement import CopyStatement, parse_copy
from local.redshift.errors import SqlError, not_imitated, syntax_error
from local.redshift.lexer import Edit, Token, apply_edits, name_end, postgres_name, split_statements, tokenize, words
from local.redshift.query import rewrite_query

# Session settings of Redshift that change nothing about results.
_WITHOUT_EFFECT = words(
    """
    QUERY_GROUP ENABLE_RESULT_CACHE_FOR_SESSION WLM_QUERY_SLOT_COUNT ANALYZE_THRESHOLD_PERCENT
    """
)
_PASSED_SETTINGS = words(
    """
    SEARCH_PATH STATEMENT_TIMEOUT TIMEZONE DATESTYLE CLIENT_ENCODING EXTRA_FLOAT_DIGITS APPLICATION_NAME TRANSACTION
    SESSION TIME CLIENT_MIN_MESSAGES
    """
)
_SHOWN_BY_REDSHIFT = words("TABLES TABLE SCHEMAS COLUMNS DATABASES VIEW GRANTS")


@dataclass(frozen=True)
class Plan:
    """What to do: `sql` goes to PostgreSQL, or else the endpoint acts itself.

    `tag` alone: answer with that tag (nothing to do). `truncate`: SQL that must be followed by a commit.
    """

    sql: str = ""
    copy: CopyStatement | None = None
    truncate: str | None = None
    tag: str | None = None

    @property
    def ours(self) -> bool:
        """Whether the endpoint acts, rather than PostgreSQL alone."""
        return self.copy is not None or self.truncate is not None or self.tag is not None


def plan_batch(sql: str) -> list[Plan]:
    """A plan for each statement of a batch; SqlError if any of them is refused."""
    return [plan_statement(statement) for statement in split_statements(sql)]


@functools.lru_cache(512)
def plan_statement(sql: str) -> Plan:
    """The plan for one statement; SqlError if it is refused."""
    try:
        return _planned(sql)
    except (IndexError, ValueError) as error:  # it ends where something more is looked for
        raise SqlError("42601", "syntax error at end of input") from error


def _planned(sql: str) -> Plan:
    tokens = tokenize(sql)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        return Plan(sql)
    sql = sql[: tokens[-1].end]
    upper = [token.upper for token in tokens]
    if upper[0] in ("SELECT", "WITH") and {"PG_CATALOG", "INFORMATION_SCHEMA"} & set(upper):
        return Plan(sql)  # what clients ask of the catalog is PostgreSQL's to answer
    gate.check(tokens)
    if upper[0] == "COPY":
        return Plan(copy=parse_copy(tokens))
    if upper[0] == "TRUNCATE":
        start = 2 if upper[1:2] == ["TABLE"] else 1
        if name_end(tokens, start) != len(tokens):
            raise syntax_error(tokens[name_end(tokens, start)].text)
        return Plan(truncate="truncate table " + postgres_name(tokens[start:]))
    return _rewritten(sql, tokens, upper)


def _rewritten(sql: str, tokens: list[Token], upper: list[str]) -> Plan:
    first = upper[0]
    if first == "CREATE" and upper[1] in ("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
        return Plan(ddl.create_table(sql, tokens, rewrite_query))
    if first == "CREATE" and "VIEW" in upper[1:4]:
        return Plan(_create_view(sql, tokens, upper))
    if first == "ALTER":
        return Plan(_names(ddl.alter_table(sql, tokens)))
    if first in gate.QUERY:
        return Plan(rewrite_query(sql))
    if first == "EXPLAIN":
        start = 2 if upper[1:2] == ["VERBOSE"] else 1
        return Plan("explain " + rewrite_query(sql[tokens[start].start :]))
    if first == "SET":
        return _setting(sql, upper)
    if first == "VACUUM":
        return Plan(tag="VACUUM")  # sorting and reclaiming change no result
    return _utility(sql, tokens, upper)


def _utility(sql: str, tokens: list[Token], upper: list[str]) -> Plan:
    if upper[0] == "SHOW" and set(upper[1:2]) & _SHOWN_BY_REDSHIFT:
        raise not_imitated(f"SHOW {upper[1]}")
    if upper[0] == "ANALYZE" and "COMPRESSION" in upper:
        raise not_imitated("ANALYZE COMPRESSION")
    if upper[0] in ("GRANT", "REVOKE"):  # before a grantee, PostgreSQL wants no ROLE
        return Plan(_names(apply_edits(sql, [Edit(t.start, t.end, "") for t in tokens[1:] if t.upper == "ROLE"])))
    return Plan(_names(sql))


def _names(sql: str) -> str:
    """Names as PostgreSQL reads them."""
    return apply_edits(
        sql,
        [
            Edit(token.start, token.end, postgres_name([token]))
            for token in tokenize(sql)
            if token.kind == "quoted" or token.text.startswith("#")
        ],
    )


def _create_view(sql: str, tokens: list[Token], upper: list[str]) -> str:
    if upper[-4:] == ["WITH", "NO", "SCHEMA", "BINDING"]:
        # A late-binding view outlives its tables; PostgreSQL's does not.
        raise not_imitated("WITH NO SCHEMA BINDING")
    if "TEMP" in upper[1:4] or "TEMPORARY" in upper[1:4]:
        raise not_imitated("CREATE TEMP VIEW")
    body = upper.index("AS")
    return _names(sql[: tokens[body].end]) + " " + rewrite_query(sql[tokens[body + 1].start :])


def _setting(sql: str, upper: list[str]) -> Plan:
    name = upper[2] if upper[1] in ("SESSION", "LOCAL") and len(upper) > 2 else upper[1]
    if name in _WITHOUT_EFFECT:
        return Plan(tag="SET")
    if name not in _PASSED_SETTINGS:
        raise not_imitated(f"SET {name.lower()}")
    if name == "SEARCH_PATH" and upper[-1] != "DEFAULT":
        return Plan(re.sub(r"\s*$", ", rs", sql))  # the functions of the prelude stay in reach
    return Plan(sql)
