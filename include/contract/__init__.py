"""What a clean listing is, and how each API says it."""
