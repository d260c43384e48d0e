"""Where the command `ueip` begins: Ctrl-C ends it without a traceback also while it is still being imported."""

import sys


def main() -> None:
    """Import the command and run it."""
    try:
        from collector.cli import main as command  # noqa: PLC0415 - a second in which somebody may press Ctrl-C
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
