"""`python -m vitruvian.synth.bake --out PATH`."""

from vitruvian.synth.bake.build import main

main()
