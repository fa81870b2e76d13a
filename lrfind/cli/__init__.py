"""The command line: words, flags and exit codes; which room a command is in."""
