"""`python -m vitruvian.recipes.claims`."""

import sys

from vitruvian.recipes.claims.command import main

sys.exit(main())
