"""The choice between the dense and the low-rank association of an affinity."""

from typing import Literal, get_args

from filters.export import is_exporting

Form = Literal["auto", "dense", "low_rank"]


def choose_form(form: Form, num_nodes: int, inner_channels: int) -> Literal["dense", "low_rank"]:
    r"""The cheaper association of ``Â = ½ D^{-1/2} (q kᵀ + k qᵀ) D^{-1/2}``, by counted multiply-adds.

    For ``N`` nodes, ``r = inner_channels``, a signal of ``r`` channels and ``2r`` output channels, a
    first-order filter costs

    - dense: ``N² r`` for the matrix, ``N² r`` for ``Â z``, ``4 N r²`` for both mixings;
    - low-rank: ``2 N r²`` for ``Y``, ``2 N r²`` for the mixing of ``z``, ``4 N r²`` for ``left c``,

    so that dense is the cheaper one below ``N = 2r``. Higher orders only widen the gap in favour of
    low-rank: one more ``N² r`` each, against a Gram matrix of ``3 N r²`` once.

    Args:
        form: ``"auto"`` to choose; ``"dense"`` and ``"low_rank"`` are returned as they are.
        num_nodes: ``N``.
        inner_channels: ``r``.

    Raises:
        ValueError: for another ``form``.

    Example:
        >>> choose_form("auto", 14 * 14, 512), choose_form("auto", 56 * 56, 128)
        ('dense', 'low_rank')
    """
    require_form(form)
    if form != "auto":
        return form
    if is_exporting():
        return "low_rank"  # the one that any size can pay
    mixing = num_nodes * inner_channels**2
    dense = 2 * num_nodes**2 * inner_channels + 4 * mixing
    low_rank = 8 * mixing
    return "dense" if dense < low_rank else "low_rank"


def require_form(form: str) -> None:
    """Raise a ``ValueError`` unless ``form`` is one of :data:`Form`."""
    if form not in get_args(Form):
        raise ValueError(f"unknown form {form!r}; choose one of: {', '.join(get_args(Form))}")
