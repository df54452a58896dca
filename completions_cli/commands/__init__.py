"""One thin module per subcommand: options to settings, a call, its rendering."""
