"""Keypoints of results for other programs: other sets of points, other files, angles."""
