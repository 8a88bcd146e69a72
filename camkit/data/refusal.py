"""Why an image is not decoded, on the way to the message that names it."""


class Refused(Exception):
    """A reason, and what to do."""


class Damaged(Exception):
    """What is broken behind a header that can be read."""
