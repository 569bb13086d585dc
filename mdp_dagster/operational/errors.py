"""The error of the operational store. This module imports no driver."""


class StoreError(Exception):
    """The operational store can't be used. Names the server and the remedy."""
