"""Models as files for other runtimes. Nothing is imported here: `runtime` must work where PyTorch is not installed."""
