"""The command's entry, also of `python -m completions_cli`: small, so that Ctrl-C finds a boundary early."""

import os


def run() -> None:
    """Load and run the command."""
    try:
        from completions_cli.main import main

        main()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    run()
