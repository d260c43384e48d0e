"""Integration tests: the real broker, the real command, real SQLite files."""
