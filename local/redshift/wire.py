"""The frames of the PostgreSQL wire protocol (version 3): one type byte, a length, a payload."""

import asyncio
import struct

from local.redshift.errors import SqlError

CHUNK = 1 << 18
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PROTOCOL_3 = 196608


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """A frame ready to send."""
    return kind + struct.pack("!I", len(payload) + 4) + payload


def c_string(text: str) -> bytes:
    """Text as the protocol carries it."""
    return text.encode() + b"\0"


def read_c_string(payload: bytes, at: int = 0) -> tuple[bytes, int]:
    """The zero-terminated bytes at `at`, and where the next field starts."""
    end = payload.index(b"\0", at)
    return payload[at:end], end + 1


def error_frame(error: SqlError) -> bytes:
    """An ErrorResponse."""
    fields = b"SERROR\0VERROR\0C" + c_string(error.state) + b"M" + c_string(error.message)
    if error.detail:
        fields += b"D" + c_string(error.detail)
    return frame(b"E", fields + b"\0")


def info_frame(message: str) -> bytes:
    """A NoticeResponse of level INFO, as Redshift reports a finished load."""
    return frame(b"N", b"SINFO\0VINFO\0C00000\0M" + c_string(message) + b"\0")


def error_fields(payload: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse by their letters: C state, M message, D detail, W context, n constraint."""
    return {chr(part[0]): part[1:].decode("utf-8", "replace") for part in payload.split(b"\0") if part}


def row_values(payload: bytes) -> list[str | None]:
    """The columns of a DataRow in text format."""
    (count,) = struct.unpack_from("!H", payload)
    values: list[str | None] = []
    at = 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", payload, at)
        at += 4
        values.append(None if length < 0 else payload[at : at + length].decode())
        at += max(length, 0)
    return values


def startup_frame(parameters: dict[str, str]) -> bytes:
    """The StartupMessage."""
    body = struct.pack("!I", PROTOCOL_3)
    body += b"".join(c_string(key) + c_string(value) for key, value in parameters.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def startup_parameters(body: bytes) -> dict[str, str]:
    """The parameters of a StartupMessage's body (after the protocol number)."""
    parts = [part.decode() for part in body[4:].split(b"\0")]
    return {key: value for key, value in zip(parts[0::2], parts[1::2], strict=False) if key}


class Line(asyncio.StreamReader):
    """A stream that tells at once when the other side hangs up, even while bytes of it lie unread."""

    def __init__(self) -> None:
        super().__init__(limit=CHUNK)
        self.hung_up = asyncio.Event()

    def feed_eof(self) -> None:
        """Called by the transport at the end of the stream."""
        self.hung_up.set()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        """Called by the transport when the connection breaks."""
        self.hung_up.set()
        super().set_exception(exc)


class Peer:
    """One end of a conversation: whole frames in, bytes out. A closed connection raises ConnectionResetError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._at = 0

    def buffered(self) -> bool:
        """Whether a whole frame is at hand without waiting."""
        held = len(self._buffer) - self._at
        return held >= 5 and held > struct.unpack_from("!I", self._buffer, self._at + 1)[0]

    async def next(self) -> bytes:
        """The next frame, header included."""
        while not self.buffered():
            data = await self._reader.read(CHUNK)
            if not data:
                raise ConnectionResetError("the peer closed the connection")
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += data
        end = self._at + 1 + struct.unpack_from("!I", self._buffer, self._at + 1)[0]
        raw = bytes(self._buffer[self._at : end])
        self._at = end
        return raw

    async def startup(self) -> bytes:
        """The body of a start-up packet, which has no type byte."""
        (length,) = struct.unpack("!I", await self._reader.readexactly(4))
        if not 8 <= length <= 10_000:
            raise ConnectionResetError("not a PostgreSQL start-up packet")
        return await self._reader.readexactly(length - 4)

    def write(self, data: bytes) -> None:
        """Queue bytes to send."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the other side takes more."""
        await self._writer.drain()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
