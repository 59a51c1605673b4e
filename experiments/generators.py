"""The states of all random number generators, in every checkpoint: a resumed training draws what is left."""

import random
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

State = dict[str, Any]
_KEY = "generators"
_WORDS = 624


class Generators(Callback):
    """Keeps the generators of Python, NumPy, PyTorch and of each CUDA device, those of every process.

    A training that goes on from a checkpoint draws the numbers that the undisturbed one drew there: dropout,
    and whatever else comes from a global generator, are the same bit for bit. The states are set after the
    iterators of the training data are made. A checkpoint without states, or of another number of processes,
    is gone on with from the generators as they are.

    Loaders must have generators of their own: one without draws a seed from PyTorch's at each iterator.

    The checkpoint's ``"generators"`` is a list, an entry a process, of ``"python"`` (int64 ``(626,)``: words,
    place, whether a Gauss value is kept), ``"gauss"``, ``"numpy"`` (the same) and ``"numpy gauss"``,
    ``"torch"`` and a list ``"cuda"`` (uint8).
    """

    def __init__(self) -> None:
        self._kept: State | None = None

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the states of all processes."""
        checkpoint[_KEY] = _of_all_processes(generator_states())

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the states of this process, if there are.

        Raises:
            ValueError: If they are none.
        """
        states = checkpoint.get(_KEY)
        if states is not None and len(states) == trainer.world_size:
            self._kept = states[trainer.global_rank]
            before = generator_states()
            set_generators(self._kept)  # refused here, if at all
            set_generators(before)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the states."""
        if self._kept is not None:
            set_generators(self._kept)
        self._kept = None


def generator_states() -> State:
    """Return the states of the global generators as tensors and plain numbers."""
    version, words, gauss = random.getstate()
    assert version == 3  # of every Python since 3.2
    numpy_state: Any = np.random.get_state()
    _, key, place, has_gauss, numpy_gauss = numpy_state
    return {
        "python": torch.tensor([*words, gauss is not None]),
        "gauss": gauss or 0.0,
        "numpy": torch.tensor([*key.tolist(), place, has_gauss]),
        "numpy gauss": float(numpy_gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_generators(state: State) -> None:
    """Set the global generators; those of CUDA devices that are not here are left out.

    Raises:
        ValueError: If ``state`` is not what :func:`generator_states` returns.
    """
    try:
        *words, kept = _words(state["python"])
        random.setstate((3, tuple(words), float(state["gauss"]) if kept else None))
        *key, place, has_gauss = _words(state["numpy"])
        numpy_key = np.array(key, dtype=np.uint32)
        np.random.set_state(("MT19937", numpy_key, place, has_gauss, float(state["numpy gauss"])))
        torch.set_rng_state(state["torch"].cpu())
        for device, on_device in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(on_device.cpu(), device)
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError, OverflowError) as error:
        raise ValueError(f"the states of random number generators are none ({error!r})") from error


def _words(state: Tensor) -> list[int]:
    """Words, place, and whether a Gauss value is kept."""
    words: list[int] = state.tolist()
    if len(words) != _WORDS + 2:
        raise ValueError(f"{len(words)} numbers instead of {_WORDS + 2}")
    return words


def _of_all_processes(state: State) -> list[State]:
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return [state]
    states: list[State] = [{} for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(states, state)
    return states
