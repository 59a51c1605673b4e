"""Videos as files, decoded by torchcodec."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from experiments.data.images.decoding import UnreadableImageError
from experiments.data.video.clips import Choice
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.reading import first_line


@dataclass(frozen=True)
class VideoFile:
    """A file of video in any format that FFmpeg reads."""

    path: Path

    def read(self, choose: Choice) -> tuple[Tensor, Tensor]:
        """Return the frames wanted, each once, and their places; see ``Footage``.

        Raises:
            UnreadableImageError: If the file cannot be decoded, or has no frame; the message is the cause.
        """
        from torchcodec.decoders import VideoDecoder

        try:
            decoder = VideoDecoder(self.path)
            if not len(decoder):
                raise ValueError("it has no frame")
            wanted, places = choose(len(decoder)).unique(return_inverse=True)
            return decoder.get_frames_at(wanted.tolist()).data, places
        except MemoryError:
            raise
        except Exception as error:  # of a broken file FFmpeg says anything
            raise UnreadableImageError(first_line(error)) from error


def check_decoder() -> None:
    """See that videos can be decoded here, before any work.

    Raises:
        ValueError: If torchcodec, or the FFmpeg that it decodes with, is missing or does not fit; names the
            line that installs it.
    """
    try:
        with naming_extra():
            from torchcodec.decoders import VideoDecoder
    except ImportError as error:
        raise ValueError(f"videos are decoded by torchcodec: {error}; or give folders of frames") from error
    try:
        VideoDecoder(b"no video")
    except Exception as error:  # with FFmpeg it says that this is no video
        if "libtorchcodec" in str(error):
            raise ValueError(_WITHOUT_FFMPEG) from error


_WITHOUT_FFMPEG = (
    "torchcodec finds no FFmpeg, or does not fit this PyTorch: conda install ffmpeg (or apt-get install "
    "ffmpeg), then pip install --upgrade 'gsp-nonlocal[video]'; or give folders of frames"
)
