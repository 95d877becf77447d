"""Statistics that the tools share, one idea per file."""
