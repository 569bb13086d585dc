"""What goes wrong in the lake."""


class LakeError(Exception):
    """The lake can't be written or read. Names the place and the remedy."""
