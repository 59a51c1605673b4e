"""The spectral report: one self-contained HTML page about a model's nonlocal blocks."""

from __future__ import annotations

import os
from errno import EISDIR
from pathlib import Path

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from torch import Tensor, nn

from filters.linear import require_real_floating
from gsp_nonlocal.spectral import pictures
from gsp_nonlocal.spectral.sections import section
from gsp_nonlocal.spectral.trace import block_shifts, evaluation, find_blocks, is_linear

MOST_IMAGES = 4
MOST_OVERLAYS = 12
"""Images with attention maps on the whole page, over all blocks: it stays below 2 MB."""


def write_report(
    model: nn.Module, images: Tensor, path: str | os.PathLike[str], *, title: str = "Spectral report"
) -> Path:
    r"""Write what each nonlocal block's graph and filter do, over ``λ = 1 − μ``, as one HTML page.

    For each block: its graph in numbers, the spectrum of ``S``, the learned response ``H(λ)``, attention
    maps of a few positions over the images, and measures. The page loads nothing from anywhere and is
    written whole or not at all. The model is run in evaluation mode; its modes are restored.

    Args:
        model: any module with nonlocal blocks, on any device.
        images: an input of the model, ``(B, C, *spatial)``, real; the first four are used.
        path: the file to write; its folder is created.
        title: heading of the page.

    Returns:
        ``path``.

    Raises:
        TypeError: if ``images`` is not real floating-point.
        ValueError: if ``images`` is empty, has no positions or non-finite values, or the model has no
            nonlocal block or runs none.
        OSError: if ``path`` cannot be written; nothing is computed then.

    Example:
        >>> import tempfile
        >>> from gsp_nonlocal import SNL
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(SNL(4), torch.randn(1, 4, 6, 6), Path(folder) / "report.html")
        ...     page.read_text(encoding="utf-8")[:15]
        '<!doctype html>'
    """
    target = Path(path)
    blocks = find_blocks(model)
    _check_images(images)
    _check_target(target)
    home = next(iter(model.parameters()), images).device
    page = _render(model, images[:MOST_IMAGES].detach().to(home), title, len(blocks))
    _replace(target, page)
    return target


def _render(model: nn.Module, images: Tensor, title: str, blocks: int) -> str:
    traces = block_shifts(model, images)
    pooled = [name for name, trace in traces.items() if not is_linear(trace)]
    traces = {name: trace for name, trace in traces.items() if name not in pooled}
    if pooled and not traces:
        raise ValueError(
            f"max pooling of values in {', '.join(pooled)} is not linear: there is no spectrum and no "
            'response; use sub_sample="average"'
        )
    if not traces:
        raise ValueError(
            f"{type(model).__name__} has {blocks} nonlocal block(s), but runs none of them on these images; "
            "pass the part of the model that does"
        )
    shown = min(len(images), max(1, MOST_OVERLAYS // len(traces)))
    with evaluation(model):
        sections = [
            section(name, number, trace, images, shown)
            for number, (name, trace) in enumerate(traces.items(), start=1)
        ]
    is_picture = images.dim() == 4
    return _template().render(
        title=title,
        model=type(model).__name__,
        shape=" × ".join(map(str, images.shape)),
        sections=sections,
        pooled=pooled,
        pictures=[pictures.image_png(image) for image in images[:shown]] if is_picture else [],
        size=pictures.shape_in_page(*images.shape[2:]) if is_picture else (0, 0),
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gsp_nonlocal.spectral"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _check_images(images: Tensor) -> None:
    require_real_floating(images, "a batch of images")
    if images.dim() < 3 or 0 in images.shape:
        raise ValueError(
            "images have shape (B, C, *spatial) with at least one image and one position, "
            f"got {tuple(images.shape)}"
        )
    wrong = int((~torch.isfinite(images)).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of the {images.numel()} values of the images are NaN or infinite; "
            "clean them first, for example with torch.nan_to_num(images)"
        )


def _check_target(target: Path) -> None:
    """Raise an ``OSError`` unless ``target`` can be written; make its folder."""
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _part(target)
        part.touch()
        part.unlink()
    except OSError as error:
        raise OSError(
            f"cannot write the report to {target}: {error.strerror or error}; "
            "choose a file in a folder that you may write to"
        ) from error


def _replace(target: Path, page: str) -> None:
    """Write beside the target and rename, so that no one ever reads half a page."""
    part = _part(target)
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")
