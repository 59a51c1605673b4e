"""Networks with nonlocal blocks on the Hugging Face Hub, and in folders of its form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.interop.hub.card import PICTURE, draw_spectra, model_card, spectra_of
from gsp_nonlocal.interop.hub.configuration import build, configuration
from gsp_nonlocal.reading import read_checkpoint
from gsp_nonlocal.weights import check_architecture

with naming_extra():
    from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
    from safetensors.torch import save_file

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_REMEDY = "take a folder or repository that save_pretrained or push_to_hub of this library wrote"


class HubNetwork(nn.Module, PyTorchModelHubMixin, library_name="gsp-nonlocal", tags=["nonlocal"]):
    """A network with blocks, and what it takes to build it again: ``HubNetwork(x) = network(x)``.

    ``save_pretrained(folder)``, ``push_to_hub(repository)`` and ``HubNetwork.from_pretrained(either)`` are
    those of ``huggingface_hub``. They write and read

    =====================  ==================================================================================
    file                   holds
    =====================  ==================================================================================
    ``config.json``        library, name and arguments of the network; what was inserted where, in plain JSON
    ``model.safetensors``  the network's own ``state_dict``
    ``README.md``          the model card: settings, responses and spectra of the blocks; one that is there
                           already stays
    ``spectra.png``        a picture of them, where matplotlib is installed
    =====================  ==================================================================================

    What is loaded is in evaluation mode, as the mixin has it, of the same data types, and computes the same
    to the last bit. Nothing in the files is run as code.

    Args:
        network: with blocks that ``insert_blocks`` inserted, or without.
        model: library and name of the network: ``"torchvision.resnet50"``, ``"timm.resnet50_snl"``,
            ``"gsp_nonlocal.preresnet20"``.
        arguments: those that its constructor was given, plain values: ``{"num_classes": 10}``.
        images: a few inputs ``(B, …)`` of the network; the card shows the spectra of the graphs that blocks
            make of them. Without, it shows responses alone.

    Raises:
        ValueError: at once for a network that cannot be built again from the configuration; the difference
            is named.
        ImportError: without ``huggingface_hub`` or ``safetensors``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.models import preresnet20
        >>> network, x = preresnet20(block=SNL).eval(), torch.randn(2, 3, 16, 16)
        >>> with TemporaryDirectory() as folder:
        ...     _ = HubNetwork(network, "gsp_nonlocal.preresnet20", images=x).save_pretrained(folder)
        ...     again = HubNetwork.from_pretrained(folder)
        >>> torch.equal(again(x), network(x))
        True
    """

    def __init__(
        self,
        network: nn.Module,
        model: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        images: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = configuration(network, model, arguments or {})
        self.network = network
        self.images = images

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the network makes of its inputs."""
        return self.network(*inputs, **named)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card; ``model_card_kwargs`` of ``save_pretrained`` are its metadata: ``{"license": "mit"}``."""
        data = {"library_name": "gsp-nonlocal", "tags": self._hub_mixin_info.model_card_data.tags, **kwargs}
        return ModelCard(model_card(self.config, spectra_of(self.network, self.images), data))

    def _save_pretrained(self, save_directory: Path) -> None:
        state = {key: value.cpu().contiguous().clone() for key, value in self.network.state_dict().items()}
        fresh = save_directory / f"{WEIGHTS}.new"
        save_file(state, fresh, metadata={"format": "pt"})
        fresh.replace(save_directory / WEIGHTS)
        text = json.dumps(self.config, indent=2, ensure_ascii=False)
        (save_directory / CONFIG).write_text(text + "\n", encoding="utf-8")
        if not (save_directory / "README.md").exists():
            draw_spectra(spectra_of(self.network, self.images), save_directory / PICTURE)

    @classmethod
    def _from_pretrained(  # type: ignore[override]  # takes no unknown arguments
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        map_location: str | torch.device = "cpu",
        config: Mapping[str, Any] | None = None,
    ) -> HubNetwork:
        if config is None:
            raise ValueError(f"'{model_id}' has no {CONFIG}; {_REMEDY}")
        path = Path(model_id) / WEIGHTS
        if not Path(model_id).is_dir():
            path = Path(
                hf_hub_download(
                    model_id,
                    WEIGHTS,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            )
        network = build(config)
        _load(network, path)
        return cls(network.eval(), config["architecture"], config["settings"]).to(map_location).eval()


def _load(network: nn.Module, path: Path) -> None:
    """Load all weights, in the data types that they were saved in."""
    found: dict[str, Tensor] = read_checkpoint(path, checked=False, absent=_REMEDY, damaged=_REMEDY)
    check_architecture(network, found, path, _REMEDY)
    floating = {value.dtype for value in found.values() if value.is_floating_point()}
    if len(floating) == 1:
        network.to(dtype=floating.pop())  # what is in no state_dict too
    for key, own in network.state_dict(keep_vars=True).items():
        own.data = own.data.to(found[key].dtype)
    network.load_state_dict(found)
