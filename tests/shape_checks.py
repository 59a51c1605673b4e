"""The run-time check of shape annotations: of functions that have some, and of nothing else."""

from collections.abc import Callable

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_shapes(function: Callable[..., object]) -> Callable[..., object]:
    """Check ``function`` if an annotation of it states a shape; leave it alone otherwise.

    Public entry points name no shapes in their annotations: they check their input themselves, with messages
    that the tests of bad input read.
    """
    annotations = getattr(function, "__annotations__", {}).values()
    states_shape = any("Float[" in str(a) or "Shaped[" in str(a) for a in annotations)
    return _check(function) if states_shape else function
