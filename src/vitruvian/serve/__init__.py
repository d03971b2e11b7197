"""Photos in, results out, over HTTP: a page to look at them, and an interface for other programs."""
