"""Why an image is not used."""


class ImageRejected(ValueError):
    """An image that cannot be used; the message is the reason under which it is counted, so it names no image."""
