"""`vitruvian` and `python -m vitruvian`."""

import sys


def main() -> int:
    """The command line; Ctrl-C while it is still being imported ends in one line too."""
    try:
        from vitruvian.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("interrupted before anything was done", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
