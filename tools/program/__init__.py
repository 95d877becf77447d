"""A snapshot's computation as data, and the interpreter that runs it."""
