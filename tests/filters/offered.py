"""A filter of another package."""

from filters import Filter


class Squared(Filter):
    """``y = z W_0 + S² z W_1``."""

    def terms(self, shift, z):
        yield z
        yield shift(shift(z))
