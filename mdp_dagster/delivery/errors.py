"""The error of deliveries."""


class DeliveryError(Exception):
    """A file or an email can't be delivered. The message names the address and the remedy."""
