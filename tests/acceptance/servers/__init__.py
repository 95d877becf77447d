"""Real servers of other people, each in an environment of its own and on a port of this machine alone."""
