"""The parts of the market report's page: its words, its figures, its charts, and what the browser gets."""
