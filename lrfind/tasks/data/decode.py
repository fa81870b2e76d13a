"""One picture from a file: any colour mode to RGB, resized and cropped to a square."""

from __future__ import annotations

import functools
import io
import os
import stat
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"

_LARGE_FILE = 1_000_000
"""Bytes from which a JPEG is worth decoding at a fraction of its size, which only PIL can do."""


_LARGEST_FILE = 1 << 30
"""Bytes above which a file is no picture that anybody trains on."""

_MOST_PIXELS = 1 << 26
"""Pixels above which PIL decodes a JPEG, which reads it at a fraction of its size and knows bombs."""


class UnreadableError(Exception):
    """The file holds no whole picture; the message says why."""


def read_square(path: str, size: int) -> Tensor:
    """Decode a picture, resize its shorter side to `size` with antialias, crop the longer one in the middle.

    Grey, CMYK and palette pictures become RGB, 16 bits are scaled to 8, transparent parts are laid on white,
    and of an animation the first picture is taken. The orientation noted by a camera is not applied, as
    PIL and torchvision do not either.

    Returns:
        Shape (3, size, size), uint8; in memory the channels come last.

    Raises:
        UnreadableError: Where the file is missing, corrupt, truncated or no picture.
    """
    content = _content(path)
    picture = _decode_jpeg(content)
    if picture is None:
        picture = _decode_with_pil(content, size)
    height, width = picture.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = picture[:, top : top + side, left : left + side]
    # Interleaved channels without gaps are what the fast kernel wants.
    picture = picture.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    if side == size:
        return picture
    return interpolate(picture[None], size=(size, size), mode="bilinear", antialias=True)[0]


def _content(path: str) -> bytes:
    """All bytes of an ordinary file of a size that a picture may have.

    Raises:
        UnreadableError: It is something else, which might never end, or cannot be read.
    """
    try:
        # Without waiting, as opening a pipe waits until somebody writes to it.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(number, "rb") as file:
            about = os.fstat(number)
            if not stat.S_ISREG(about.st_mode):
                raise UnreadableError("it is no ordinary file")
            if about.st_size > _LARGEST_FILE:
                raise UnreadableError(f"its {about.st_size / 2**30:.1f} GiB are more than a picture has")
            return file.read()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error


@functools.cache
def jpeg_decoder() -> Callable[[Tensor], Tensor] | None:
    """Torchvision's decoder, about a quarter faster than PIL's; None where this torchvision has none."""
    try:
        from torchvision.io import decode_jpeg
    except ImportError:
        return None
    decoder: Callable[[Tensor], Tensor] = decode_jpeg
    return decoder


def _decode_jpeg(content: bytes) -> Tensor | None:
    """Decode grey and RGB JPEGs of moderate size to shape (3, height, width); None leaves the file to PIL."""
    if not content.startswith(_JPEG_START) or len(content) > _LARGE_FILE:
        return None
    # A truncated file is silently filled up with grey by this decoder, and refused by PIL.
    if not content.endswith(_JPEG_END):
        return None
    # So is a small file that promises to be a huge picture.
    if _pixels_promised(content) > _MOST_PIXELS:
        return None
    decode = jpeg_decoder()
    if decode is None:
        return None
    try:
        with warnings.catch_warnings():
            # Deprecated since torchvision 0.29; once it is gone, PIL does the work.
            warnings.filterwarnings("ignore", "The image decoding and encoding", DeprecationWarning)
            picture = decode(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    except RuntimeError:
        return None
    if picture.shape[0] == 1:
        return picture.expand(3, -1, -1)
    # Four channels are CMYK, whose inversions PIL knows.
    return picture if picture.shape[0] == 3 else None


def _pixels_promised(content: bytes) -> int:
    """Height times width as the header of a JPEG has them; 0 where it has none."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        # Start of a frame, of whichever coding; C4, C8 and CC are other things.
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = content[at + 5 : at + 7], content[at + 7 : at + 9]
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        at += 1 if kind == 0xFF else 2 + length
    return 0


def _decode_with_pil(content: bytes, size: int) -> Tensor:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format == "JPEG":
                # The decoder can skip to an eighth, a quarter or a half, if that is still large enough.
                factor = max(1, min(image.size) // size)
                image.draft(None, (image.width // factor, image.height // factor))
            pixels = _to_rgb(image)
    # PIL's decoders raise whatever a broken file makes them raise: SyntaxError, struct.error, ValueError ...
    except Exception as error:
        # The name of PIL's buffer object would only confuse.
        why = "it is no picture that can be recognised" if "BytesIO" in str(error) else str(error)
        raise UnreadableError(why or type(error).__name__) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _to_rgb(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Convert to shape (height, width, 3); the caller closes the image."""
    from PIL import Image

    if image.mode == "I" or image.mode.startswith("I;16"):
        # 16 bits, held in 32 by older versions of PIL; `convert` would clip them at 255. 65535 / 257 = 255.
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        grey = ((wide + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode == "F":
        raise UnreadableError("its pixels are floating-point numbers of an unknown range")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return np.array(Image.alpha_composite(white, coloured).convert("RGB"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
