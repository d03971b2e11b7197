"""Frozen: what the official Sapiens v1 release does, written from its specification, as the yardstick for speed."""
