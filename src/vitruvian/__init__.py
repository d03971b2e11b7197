"""Human-centric vision: from raw images to a foundation model, and from a photo to pose, parts, depth and normals."""

__version__ = "0.1.0"
