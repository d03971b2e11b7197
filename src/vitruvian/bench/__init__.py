"""How fast, how large and how exact a model runs here, by every path: `vitruvian bench`."""
