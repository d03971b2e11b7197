"""`python -m vitruvian` is `vitruvian`."""

import sys

from vitruvian.cli import main

if __name__ == "__main__":
    sys.exit(main())
