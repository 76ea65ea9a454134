"""The signalbox command, one file per subcommand."""
