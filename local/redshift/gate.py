"""What the endpoint lets through: statements that Redshift takes and that PostgreSQL understands alike."""

from local.redshift.errors import SqlError, not_imitated, syntax_error, unsupported_by_redshift
from local.redshift.functions import FRAMED, KNOWN, NOT_CALLS
from local.redshift.lexer import Token, closing, words

QUERY = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "(", "MERGE"})
TRANSACTION = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"})
IMITATED = (
    QUERY
    | TRANSACTION
    | words(
        """
    ALTER ANALYZE COMMENT COPY CREATE DEALLOCATE DROP EXPLAIN GRANT LOCK RESET REVOKE SET SHOW TRUNCATE VACUUM
    """
    )
)
REDSHIFT_ONLY = words(
    """
    ATTACH CALL CANCEL CLOSE DECLARE DESC DETACH EXECUTE FETCH PREPARE REFRESH UNLOAD USE
    """
)
REFUSED_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "@>", "<@", "~*", "!~*"})
CREATES = frozenset({"TABLE", "TEMP", "TEMPORARY", "LOCAL", "VIEW", "OR", "SCHEMA", "USER", "GROUP", "ROLE"})
DROPS = frozenset({"TABLE", "VIEW", "SCHEMA", "USER", "GROUP", "ROLE"})

# Word sequences that Redshift's grammar does not have anywhere in a query; the error names the word at the index.
_NO_SUCH_SYNTAX: tuple[tuple[tuple[str, ...], int], ...] = (
    (("ON", "CONFLICT"), 0),
    (("RETURNING",), 0),
    (("TABLESAMPLE",), 0),
    (("LATERAL",), 0),
    ((")", "FILTER", "("), 2),
    (("ARRAY", "["), 1),
    (("FROM", "(", "VALUES"), 2),
    (("JOIN", "(", "VALUES"), 2),
    (("IS", "DISTINCT", "FROM"), 1),
    (("IS", "NOT", "DISTINCT", "FROM"), 2),
    (("WITH", "ORDINALITY"), 1),
    (("FETCH", "FIRST"), 0),
    (("FETCH", "NEXT"), 0),
)
_REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("DISTINCT", "ON", "("), "SELECT DISTINCT ON is not supported"),
    (("FOR", "UPDATE"), "SELECT FOR UPDATE is not supported"),
    (("FOR", "SHARE"), "SELECT FOR SHARE is not supported"),
    (("INTERSECT", "ALL"), "INTERSECT ALL is not supported"),
    (("EXCEPT", "ALL"), "EXCEPT ALL is not supported"),
)
_NOT_IMITATED: tuple[tuple[str, ...], ...] = (
    ("IGNORE", "NULLS"), ("RESPECT", "NULLS"), ("PIVOT", "("), ("UNPIVOT", "("), ("APPROXIMATE", "PERCENTILE_DISC"),
    ("CONNECT", "BY"), ("START", "WITH"), ("OBJECT_TRANSFORM",), ("TRY_CAST", "("), ("SELECT", "TOP"),
    ("SUPER",), ("VARBYTE",), ("GEOMETRY",), ("GEOGRAPHY",), ("HLLSKETCH",), ("FOR", "SYSTEM_TIME"),
)  # fmt: skip

# What each of these begins with, ahead of which a bracket may close: few words of a query need a closer look.
_FIRST_WORDS = {
    pattern[pattern[0] == ")"]
    for pattern in (*(it for it, _ in _NO_SUCH_SYNTAX), *(it for it, _ in _REFUSED), *_NOT_IMITATED)
}


def check(tokens: list[Token]) -> None:
    """Raise SqlError when Redshift would refuse the statement, or when the endpoint cannot stand in for it."""
    first = tokens[0].upper
    if first == "SAVEPOINT" or (first == "RELEASE"):
        raise _command_not_supported(tokens)
    if first in REDSHIFT_ONLY:
        raise not_imitated(first)
    if first not in IMITATED:
        raise syntax_error(tokens[0].text)
    upper = [token.upper for token in tokens]
    if first == "ROLLBACK" and "TO" in upper:
        raise _command_not_supported(tokens)
    if first in ("CREATE", "DROP"):
        _check_object(tokens, upper)
    if any(token.kind == "param" for token in tokens) and first not in QUERY | {"EXPLAIN"}:
        raise not_imitated(f"{first} with bind parameters")
    if first == "MERGE":
        check_merge(tokens)


def _command_not_supported(tokens: list[Token]) -> SqlError:
    text = " ".join(token.text for token in tokens)[:60]
    return unsupported_by_redshift(f'SQL command "{text}" not supported.')


def _check_object(tokens: list[Token], upper: list[str]) -> None:
    kind = upper[1] if len(upper) > 1 else ""
    if "INDEX" in upper[1:4]:
        text = " ".join(token.text for token in tokens)[:60]
        raise unsupported_by_redshift(f'SQL command "{text}" not supported on Redshift tables.')
    if kind not in (CREATES if upper[0] == "CREATE" else DROPS):
        raise not_imitated(f"{upper[0]} {kind}")
    if "QUOTA" in upper:
        raise not_imitated("a schema's QUOTA")
    if kind == "SCHEMA" and upper[0] == "CREATE" and ("TABLE" in upper or "VIEW" in upper):
        raise not_imitated("CREATE SCHEMA with schema elements")
    if kind == "OR" and upper[1:4] != ["OR", "REPLACE", "VIEW"]:
        raise not_imitated(" ".join(upper[:4]))


def check_query(tokens: list[Token]) -> None:
    """The part of the check that concerns SELECT, INSERT, UPDATE, DELETE, and the bodies of views."""
    upper = [token.upper for token in tokens]
    for index, token in enumerate(tokens):
        if token.kind == "op" and token.text in REFUSED_OPERATORS:
            raise SqlError("42883", f"operator does not exist: {token.text}")
        if token.kind == "word":
            _check_sequences(tokens, upper, index)
            if index + 1 < len(tokens) and tokens[index + 1].text == "(":
                _check_call(tokens, upper, index)


def _check_sequences(tokens: list[Token], upper: list[str], index: int) -> None:
    def follows(pattern: tuple[str, ...], start: int) -> bool:
        return start >= 0 and tuple(upper[start : start + len(pattern)]) == pattern

    if upper[index] not in _FIRST_WORDS:
        return
    if index and upper[index - 1] in (".", "AS"):
        return  # a column's name or an alias, not a keyword
    for pattern, near in _NO_SUCH_SYNTAX:
        if follows(pattern, index - (pattern[0] == ")")):
            raise syntax_error(tokens[index - (pattern[0] == ")") + near].text)
    for pattern, message in _REFUSED:
        if follows(pattern, index):
            raise unsupported_by_redshift(message)
    for pattern in _NOT_IMITATED:
        if follows(pattern, index):
            raise not_imitated(" ".join(pattern).removesuffix(" ("))


def _check_call(tokens: list[Token], upper: list[str], index: int) -> None:
    name = upper[index]
    before = upper[index - 1] if index else ""
    if name in NOT_CALLS or before in (".", "AS", "INTO", "::", ")"):
        return
    end = closing(tokens, index + 1)
    after = upper[end + 1 : end + 3]
    if after == ["AS", "("] and before in ("WITH", ",", "RECURSIVE"):
        return  # a common table expression with column names
    if name not in KNOWN:
        raise SqlError(
            "0A000",
            f"function {name.lower()}() is not supported by the local Redshift endpoint",
            "Redshift lacks it, or it is not stood in for: see local/redshift/functions.py.",
        )
    if name in FRAMED and after == ["OVER", "("]:
        window = upper[end + 2 : closing(tokens, end + 2)]
        if "ORDER" in window and "ROWS" not in window and "RANGE" not in window:
            raise unsupported_by_redshift("Aggregate window functions with an ORDER BY clause require a frame clause")


def check_merge(tokens: list[Token]) -> None:
    """Redshift's MERGE: no target alias, a table as its source, no conditions, each clause exactly once."""
    upper = [token.upper for token in tokens]
    if upper[1:2] != ["INTO"] or "USING" not in upper:
        raise syntax_error(tokens[1].text)
    if upper[-2:] == ["REMOVE", "DUPLICATES"]:
        raise not_imitated("MERGE ... REMOVE DUPLICATES")
    using = upper.index("USING")
    if (using - 2) % 2 == 0 or any(word != "." for word in upper[3:using:2]):
        raise syntax_error(tokens[using - 1].text)
    if upper[using + 1] == "(":
        raise unsupported_by_redshift("MERGE with a subquery as its source is not supported")
    clauses: list[str] = []
    for index, word in enumerate(upper):
        if word == "WHEN" and upper[index + 1 : index + 2] in (["MATCHED"], ["NOT"]):
            then = index + (3 if upper[index + 1] == "NOT" else 2)
            if upper[then : then + 1] != ["THEN"]:
                raise syntax_error(tokens[then].text)
            clauses.append("not matched" if upper[index + 1] == "NOT" else "matched")
    if sorted(clauses) != ["matched", "not matched"]:
        raise unsupported_by_redshift("MERGE needs one WHEN MATCHED and one WHEN NOT MATCHED clause")
