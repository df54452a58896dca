"""One file a subcommand, thin: flags to settings, a call, its rendering."""
