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
    except ModuleNotFoundError as error:
        return _incomplete(error)


def _incomplete(error: ModuleNotFoundError) -> int:
    """A library of the core is absent: one line, or the examination itself, for which the words cannot be read without it."""
    from vitruvian.doctor import CORE, doctor

    if (error.name or "").split(".")[0] not in CORE.values():
        raise error
    if sys.argv[1:] == ["doctor"]:
        return doctor()
    print(f"error: the library {error.name} is missing. Fix: `vitruvian doctor` says what to install.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
