"""Whether a map says anything of the output: a class's probability as positions go, or come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from filters.operators.linear import require_real_floating
from gsp_nonlocal.analysis.model_inputs import check_inputs, run_copies
from gsp_nonlocal.attribution.baselines import blurred, mean_color
from gsp_nonlocal.attribution.target import classes_of, logits_of
from gsp_nonlocal.probe import evaluation
from gsp_nonlocal.spectral.krylov import PATIENCE

Baseline = Callable[[Tensor], Tensor]
Classes = int | Sequence[int] | Tensor | None


@dataclass(frozen=True, eq=False)
class Curve:
    """A class's probability by the share of positions that were changed, in a map's order and in random ones.

    Attributes:
        fractions: ``(K + 1,)``, from 0 to 1.
        probability: ``(B, K + 1)``, greatest positions of the map first.
        random: ``(R, B, K + 1)``, in ``R`` random orders.
        classes: ``(B,)``.
        rises: whether positions come, so that a greater area is better.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> curve = deletion_curve(model, torch.randn(3, 1, 4, 4), torch.rand(3, 2, 2), steps=4)
        >>> curve.fractions, curve.probability.shape, curve.random.shape
        (tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000], dtype=torch.float64), torch.Size([3, 5]),
        torch.Size([8, 3, 5]))
        >>> torch.allclose(curve.random[..., -1], curve.probability[:, -1])  # all positions are gone
        True
    """

    fractions: Tensor
    probability: Tensor
    random: Tensor
    classes: Tensor
    rises: bool

    @property
    def area(self) -> Tensor:
        """Under the curve of each image, ``(B,)``."""
        return torch.trapezoid(self.probability, self.fractions)

    @property
    def random_area(self) -> Tensor:
        """Under the curve of each random order and image, ``(R, B)``."""
        return torch.trapezoid(self.random, self.fractions)

    @property
    def advantage(self) -> float:
        """How much the map's area is better than random ones, mean over images; below 0 it is worse."""
        difference = float(self.area.mean() - self.random_area.mean())
        return difference if self.rises else -difference

    @property
    def spread(self) -> float:
        """The error bar of a random order's mean area, ``sqrt(Σ_b σ_b²) / B`` with ``σ_b`` over orders."""
        return float(self.random_area.var(dim=0).mean().div(self.random_area.shape[1]).sqrt())

    @property
    def says_something(self) -> bool:
        """Whether the map is better than a random order by more than three error bars."""
        return self.advantage > 3 * self.spread and self.advantage > 1e-6

    def __str__(self) -> str:
        name, wanted = ("insertion", "more") if self.rises else ("deletion", "less")
        verdict = "says something of the output" if self.says_something else "is not told from chance"
        return (
            f"{name}: area {float(self.area.mean()):.3f}, in random order "
            f"{float(self.random_area.mean()):.3f} ± {self.spread:.3f} ({wanted} is better; "
            f"{len(self.area)} images, {len(self.random)} orders): "
            f"the map {verdict}"
        )


def deletion_curve(
    model: nn.Module,
    images: Tensor,
    scores: Tensor,
    target: Classes = None,
    *,
    baseline: Baseline = mean_color,
    steps: int = 20,
    orders: int = 8,
    batch_size: int = 32,
    seed: int = 0,
) -> Curve:
    r"""``p_c(x − k)``: the probability of a class without the ``k`` positions of the greatest scores.

    A map that says what the output comes from makes it fall sooner than a random order: its area is smaller.
    What is left after a position is taken away is no image that the model was trained on, and the random
    orders, which suffer from that alike, are what to compare with.

    Args:
        model: returns logits ``(B, K)``, alone or as ``.logits``; its modes are restored.
        images: ``(B, C, H, W)``.
        scores: ``(B, h, w)``; each is of a cell of ``H/h × W/w`` pixels, which goes as a whole.
        target: a class, or one for each image; by default the one that the model finds for each whole image.
        baseline: from images to what stands where a position is taken away, of the same shape; by default the
            mean of each channel.
        steps: points of the curve after the first, at even shares of the positions; at most ``h w``.
        orders: random orders to compare with, at least 2.
        batch_size: images at once.
        seed: of the random orders.

    Returns:
        A :class:`Curve`; ``print(curve)`` says whether the map says anything.

    Raises:
        TypeError: for images, scores, or an output of another kind.
        ValueError: for shapes that do not fit, scores that are not finite, and numbers out of range.

    References:
        Petsiuk, Das, Saenko (2018), *RISE*, 4.2; there positions are pixels, taken away to 0.

    Example:
        >>> class Corner(nn.Module):
        ...     def forward(self, x):  # class 1 where the first corner is bright
        ...         seen = x[:, 0, :2, :2].mean((-2, -1))
        ...         return torch.stack([-seen, seen], dim=-1)
        >>> images = torch.zeros(12, 1, 8, 8)
        >>> images[..., :2, :2] = 5.0
        >>> right = torch.zeros(12, 4, 4)
        >>> right[:, 0, 0] = 1.0
        >>> curve = deletion_curve(Corner(), images, right, target=1, steps=8)
        >>> wrong = deletion_curve(Corner(), images, -right, target=1, steps=8)
        >>> curve.says_something, wrong.says_something
        (True, False)
    """
    game = _Game(model, images, scores, target, baseline, steps, orders, batch_size, seed)
    return game.play(rises=False)


def insertion_curve(
    model: nn.Module,
    images: Tensor,
    scores: Tensor,
    target: Classes = None,
    *,
    baseline: Baseline = blurred,
    steps: int = 20,
    orders: int = 8,
    batch_size: int = 32,
    seed: int = 0,
) -> Curve:
    r"""``p_c(m ⊙ x + (1 − m) ⊙ x_0)``, ``m = 1`` at the ``k`` positions of the greatest scores alone.

    As :func:`deletion_curve`, the other way: positions come into the baseline, by default a blurred image.
    The probability rises sooner for a map that says something: a greater area is better.

    Args:
        model: see :func:`deletion_curve`.
        images: ``(B, C, H, W)``, see there.
        scores: see there.
        target: see there.
        baseline: what positions come into; by default the images, blurred.
        steps: see there.
        orders: see there.
        batch_size: see there.
        seed: see there.

    Returns:
        A :class:`Curve`.

    Raises:
        TypeError: see there.
        ValueError: see there.

    References:
        Petsiuk, Das, Saenko (2018), *RISE*, 4.2.

    Example:
        >>> class Corner(nn.Module):
        ...     def forward(self, x):  # class 1 where the first corner is bright
        ...         seen = x[:, 0, :2, :2].mean((-2, -1))
        ...         return torch.stack([-seen, seen], dim=-1)
        >>> images, right = torch.ones(12, 1, 8, 8), torch.zeros(12, 4, 4)
        >>> right[:, 0, 0] = 1.0
        >>> curve = insertion_curve(Corner(), images, right, 1, baseline=torch.zeros_like, steps=8)
        >>> curve.says_something
        True
    """
    game = _Game(model, images, scores, target, baseline, steps, orders, batch_size, seed)
    return game.play(rises=True)


@dataclass(frozen=True, eq=False)
class _Game:
    """A map to be tried on a model."""

    model: nn.Module
    images: Tensor
    scores: Tensor
    target: Classes
    baseline: Baseline
    steps: int
    orders: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        require_real_floating(self.images, "a batch of images")
        if self.images.dim() != 4:
            raise ValueError(f"images have shape (B, C, H, W), got {tuple(self.images.shape)}")
        check_inputs(self.images)
        _check_scores(self.scores, self.images)
        positions = self.scores[0].numel()
        for name, value, least, most in (
            ("steps", self.steps, 1, positions),
            ("orders", self.orders, 2, None),
            ("batch_size", self.batch_size, 1, None),
        ):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is a whole number, got {value!r}")
            if value < least or (most is not None and value > most):
                upper = "" if most is None else f" and at most {most}, the positions of a map"
                raise ValueError(f"{name} is at least {least}{upper}, got {value}")

    def play(self, *, rises: bool) -> Curve:
        """The curves of the map and of random orders."""
        empty = self.baseline(self.images)
        if empty.shape != self.images.shape:
            raise ValueError(f"a baseline is of the images' shape, got {tuple(empty.shape)}")
        start, end = (empty, self.images) if rises else (self.images, empty)
        counts = torch.linspace(0, self.scores[0].numel(), self.steps + 1).round().long()
        ranks = torch.stack(list(self._ranks()))
        with evaluation(self.model):
            classes = classes_of(self._logits(self.images), self.target).cpu()
            curves = self._curves(start, end, ranks, counts, classes)
        return Curve(counts.double() / counts[-1], curves[0], curves[1:], classes, rises)

    def _ranks(self) -> Iterator[Tensor]:
        """The place of each position in the map's order, and in random ones, ``(B, P)``."""
        order = self.scores.flatten(1).cpu().argsort(dim=1, descending=True, stable=True)
        yield order.argsort(dim=1)
        dice = torch.Generator().manual_seed(self.seed)
        for _ in range(self.orders):
            yield torch.rand(self.scores.flatten(1).shape, generator=dice).argsort(dim=1)

    def _curves(self, start: Tensor, end: Tensor, ranks: Tensor, counts: Tensor, classes: Tensor) -> Tensor:
        """``(1 + R, B, K + 1)``."""
        each = torch.cartesian_prod(*(torch.arange(n) for n in (len(ranks), len(start), len(counts))))
        found = torch.empty(len(each), dtype=torch.float64)
        with tqdm(desc="images tried", total=len(each), delay=PATIENCE, leave=False) as bar:
            for part in torch.arange(len(each)).split(self.batch_size):
                order, image, step = each[part].unbind(1)
                gone = ranks[order, image] < counts[step].unsqueeze(1)
                mixed = torch.where(self._pixels(gone).to(start.device), end[image], start[image])
                chances = self._logits(mixed).double().softmax(dim=-1).cpu()
                found[part] = chances.gather(1, classes[image].unsqueeze(1)).squeeze(1)
                bar.update(len(part))
        return found.view(len(ranks), len(start), len(counts))

    def _pixels(self, positions: Tensor) -> Tensor:
        """``(m, 1, H, W)`` of positions ``(m, P)``."""
        grid = positions.view(-1, 1, *self.scores.shape[1:]).float()
        return functional.interpolate(grid, size=self.images.shape[-2:], mode="nearest") > 0.5

    def _logits(self, images: Tensor) -> Tensor:
        parts = [logits_of(run_copies(self.model, part)) for part in images.split(self.batch_size)]
        return torch.cat(parts)


def _check_scores(scores: Tensor, images: Tensor) -> None:
    require_real_floating(scores, "a map of scores")
    size, most = scores.shape, images.shape[-2:]
    if (
        scores.dim() != 3
        or len(scores) != len(images)
        or any(not 0 < n <= whole for n, whole in zip(size[1:], most, strict=True))
    ):
        raise ValueError(
            f"scores have shape (B, h, w), here B = {len(images)} with at most {tuple(most)} positions, got "
            f"{tuple(size)}; of a row of all nodes leave the tokens out and give it the shape of the patches"
        )
    if not bool(scores.isfinite().all()):
        raise ValueError("scores hold NaN or infinity, which have no order")
