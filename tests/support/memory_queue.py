"""A queue in memory."""

from typing import Any


class Queue:
    """Takes messages, as SQS does in the one call used."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        """Keeps the message and numbers it."""
        self.messages.append((QueueUrl, MessageBody))
        return {"MessageId": f"message-{len(self.messages)}"}
