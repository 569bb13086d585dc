"""The error of the lake."""


class LakeError(Exception):
    """The lake can't be written or read. The message names the address and the remedy."""
