"""What the endpoint says when it refuses: SQLSTATE, message and detail, in the wording a client sees."""


class SqlError(Exception):
    """An error for the client. `state` is a five-character SQLSTATE."""

    def __init__(self, state: str, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.state = state
        self.message = message
        self.detail = detail


def syntax_error(near: str) -> SqlError:
    """Redshift's parser would stop at `near`."""
    return SqlError("42601", f'syntax error at or near "{near}"')


def unsupported_by_redshift(message: str) -> SqlError:
    """Redshift itself refuses this: `message` is in its wording."""
    return SqlError("0A000", message)


def not_imitated(what: str) -> SqlError:
    """Redshift may take this, the endpoint does not: better an error than a silent change."""
    return SqlError("0A000", f"{what} is not supported by the local Redshift endpoint", "See local/redshift/README.md.")
