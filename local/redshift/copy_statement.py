"""Parses COPY: the options the endpoint stands in for, and those a columnar load may have."""

from dataclasses import dataclass, field

from local.redshift.errors import SqlError, not_imitated, syntax_error, unsupported_by_redshift
from local.redshift.lexer import Token, closing, name_end, postgres_name, words

_WITH_VALUE = words("DELIMITER QUOTE REGION IGNOREHEADER NULL DATEFORMAT TIMEFORMAT ENCODING")
_FLAGS = words("MANIFEST GZIP EMPTYASNULL BLANKSASNULL FILLRECORD EXPLICIT_IDS ACCEPTINVCHARS")
# What Redshift takes with FORMAT PARQUET; FILLRECORD and EXPLICIT_IDS among them are not imitated.
_COLUMNAR = words("MANIFEST FILLRECORD EXPLICIT_IDS ACCEPTINVCHARS STATUPDATE")
_NOT_IMITATED = words("FILLRECORD EXPLICIT_IDS ACCEPTINVCHARS")
_KEYS = {
    "IAM_ROLE": "aws_iam_role",
    "ACCESS_KEY_ID": "aws_access_key_id",
    "SECRET_ACCESS_KEY": "aws_secret_access_key",
    "SESSION_TOKEN": "token",
}
_CREDENTIAL_KEYS = frozenset({"aws_iam_role", "aws_access_key_id", "aws_secret_access_key", "token"})


@dataclass(frozen=True)
class CopyStatement:
    """A COPY: the table as PostgreSQL names it, its plain name, the columns in order (None: all)."""

    table: str
    table_name: str
    columns: tuple[str, ...] | None
    source: str
    parquet: bool
    credentials: dict[str, str] = field(repr=False, hash=False, compare=False)
    options: dict[str, str] = field(hash=False, compare=False)


def parse_copy(tokens: list[Token]) -> CopyStatement:
    """COPY table [(columns)] FROM 's3://...' ...; SqlError for what is wrong, refused or not imitated."""
    end = name_end(tokens, 1)
    table, name = postgres_name(tokens[1:end]), tokens[end - 1].name
    columns = None
    if tokens[end : end + 1] and tokens[end].text == "(":
        close = closing(tokens, end)
        columns = tuple(token.name for token in tokens[end + 1 : close] if token.text != ",")
        end = close + 1
    if not tokens[end : end + 1] or tokens[end].upper != "FROM":
        raise syntax_error(tokens[end].text if end < len(tokens) else "end of input")
    source = tokens[end + 1] if end + 1 < len(tokens) else tokens[end]
    if source.kind != "string" or not source.value.startswith("s3://"):
        raise unsupported_by_redshift(
            "LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)"
        )
    parser = _Options(tokens, end + 2)
    parser.run()
    return CopyStatement(
        table, name, columns, source.value, parser.format == "PARQUET", parser.credentials, parser.options
    )


class _Options:
    """Walks over what follows the source, in any order."""

    def __init__(self, tokens: list[Token], at: int) -> None:
        self._tokens = tokens
        self._at = at
        self.format = ""
        self.credentials: dict[str, str] = {}
        self.options: dict[str, str] = {}

    def run(self) -> None:
        """Take every option, then judge the combination."""
        while self._at < len(self._tokens):
            word = self._tokens[self._at].upper
            self._at += 1
            self._option(word)
        if not self.credentials:
            raise SqlError("42601", "CREDENTIALS argument is required but missing")
        if not self.format:
            raise not_imitated("COPY of delimited text (say CSV or FORMAT AS PARQUET)")
        if self.format == "PARQUET":
            for option in sorted(set(self.options) - _COLUMNAR):
                raise unsupported_by_redshift(f"{option} argument is not supported for PARQUET based COPY")
        for option in sorted(set(self.options) & _NOT_IMITATED):
            raise not_imitated(f"COPY with {option}")
        for option in ("DATEFORMAT", "TIMEFORMAT"):
            if self.options.get(option, "auto").lower() != "auto":
                raise not_imitated(f"COPY with {option} other than 'auto'")
        if self.options.get("ENCODING", "UTF8").upper() != "UTF8":
            raise not_imitated("COPY with ENCODING other than UTF8")

    def _value(self) -> str:
        """The value of an option, with or without AS."""
        if self._at < len(self._tokens) and self._tokens[self._at].upper == "AS":
            self._at += 1
        if self._at >= len(self._tokens):
            raise syntax_error("end of input")
        self._at += 1
        return self._tokens[self._at - 1].value

    def _next(self) -> str:
        """The word that follows, if any; not taken yet."""
        return self._tokens[self._at].upper if self._at < len(self._tokens) else ""

    def _option(self, word: str) -> None:
        if word in _KEYS:
            self.credentials[_KEYS[word]] = self._value()
        elif word in ("CREDENTIALS", "AUTHORIZATION"):
            self._credentials(self._value())
        elif word in ("CSV", "PARQUET", "FORMAT"):
            self._format(self._value().upper() if word == "FORMAT" else word)
        elif word in _WITH_VALUE:
            self.options[word] = self._value()
        elif word in _FLAGS:
            self.options[word] = "on"
        elif word in ("COMPUPDATE", "STATUPDATE"):
            self._at += self._next() in ("ON", "OFF", "TRUE", "FALSE", "PRESET")
            self.options[word] = "on"
        elif word == "MAXERROR" and self._value() in ("0", "1"):
            self.options[word] = "on"
        elif word != "WITH":
            raise not_imitated(f"COPY with {word}")

    def _format(self, name: str) -> None:
        if name not in ("CSV", "PARQUET"):
            raise not_imitated(f"COPY of {name}")
        self.format = name

    def _credentials(self, text: str) -> None:
        for part in text.split(";"):
            key, separator, value = part.strip().partition("=")
            if key not in _CREDENTIAL_KEYS or not separator:
                raise SqlError(
                    "22023",
                    "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or "
                    "'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'",
                )
            self.credentials[key] = value
