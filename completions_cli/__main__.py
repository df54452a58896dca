"""Lets `python -m completions_cli` run the command."""

from completions_cli.main import main

if __name__ == "__main__":
    main()
