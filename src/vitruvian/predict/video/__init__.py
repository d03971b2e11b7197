"""Moving pictures: frames in, the same people recognised from one to the next, an overlay video and a record a frame out."""
