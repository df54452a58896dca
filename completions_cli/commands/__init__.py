"""One file a subcommand: flags to settings to call to render."""
