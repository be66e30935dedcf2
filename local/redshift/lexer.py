"""Splits Redshift SQL into tokens that remember where they stood, so that a rewrite can be a few text edits."""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

from local.redshift.errors import syntax_error

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|--[^\n]*|/\*.*?\*/)+)
      | (?P<string>[eE]?'(?:[^'\\]|\\.|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<dollar>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<param>\$\d+)
      | (?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
      | (?P<word>\#?[^\W\d][\w$]*)
      | (?P<op>::|->>|->|\#>>|\#>|@>|<@|!~\*|~\*|!~|<=|>=|<>|!=|\|\||[^\s\w])""",
    re.S | re.X,
)


class Token(NamedTuple):
    """A piece of SQL: its kind, its text, and the half-open range of characters it covers."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The text, upper-cased when it is a word: keywords compare equal in any case."""
        return self.text.upper() if self.kind == "word" else self.text

    @property
    def name(self) -> str:
        """The identifier: Redshift folds quoted ones to lower case too."""
        return self.text[1:-1].replace('""', '"').lower() if self.kind == "quoted" else self.text.lower()

    @property
    def value(self) -> str:
        """The content of a string literal (a number or a word stands for itself)."""
        if self.kind != "string":
            return self.text
        body = self.text[self.text.index("'") + 1 : -1].replace("''", "'")
        return re.sub(r"\\(.)", r"\1", body, flags=re.S)


class Edit(NamedTuple):
    """Replace the characters `start:end` of a text by `text`."""

    start: int
    end: int
    text: str


def words(text: str) -> frozenset[str]:
    """A set of keywords, written as people read them."""
    return frozenset(text.split())


def tokenize(sql: str) -> list[Token]:
    """The tokens of `sql` without white space and comments; SqlError 42601 at a character no token starts with."""
    return list(_tokens(sql))


@functools.lru_cache(16)
def _tokens(sql: str) -> tuple[Token, ...]:
    """Kept, as each step of a rewrite reads the tokens of the text that the step before it left."""
    tokens: list[Token] = []
    at = 0
    for match in _TOKEN.finditer(sql):
        start, end = match.span()
        if start > at:
            break
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match[0], start, end))
        at = end
    if at < len(sql):
        raise syntax_error(sql[at])
    return tuple(tokens)


def split_statements(sql: str) -> list[str]:
    """The statements of a batch, without their semicolons; empty ones are left out."""
    tokens = tokenize(sql)
    statements: list[str] = []
    start = 0
    for token in tokens:
        if token.text == ";":
            statements.append(sql[start : token.start])
            start = token.end
    if any(token.start >= start for token in tokens):
        statements.append(sql[start:])
    return [statement.strip() for statement in statements if statement.strip() and tokenize(statement)]


def apply_edits(sql: str, edits: Iterable[Edit]) -> str:
    """`sql` with all edits made; the ranges must not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def closing(tokens: list[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    raise syntax_error("(")


def name_end(tokens: list[Token], start: int) -> int:
    """The index after the (possibly qualified) name that starts at `start`."""
    if start >= len(tokens) or tokens[start].kind not in ("word", "quoted"):
        raise syntax_error(tokens[start].text if start < len(tokens) else "end of input")
    end = start + 1
    while end + 1 < len(tokens) and tokens[end].text == ".":
        end += 2
    return end


def postgres_name(tokens: Iterable[Token]) -> str:
    """A name as PostgreSQL reads it: `#temp` needs quotes, quoted names are folded."""
    return "".join(
        '"' + token.name.replace('"', '""') + '"'
        if token.kind == "quoted" or token.text.startswith("#")
        else token.text
        for token in tokens
    )
