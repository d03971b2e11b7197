"""Relative depth made metric by what the user knows, and point clouds of metric depth."""
