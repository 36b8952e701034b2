"""Derived columns: numbers computed of a payload, because the payload itself is not counted.

The same functions compute them of the training data and of traffic. What cannot be read is counted
as of the wrong type; what is too large to be looked at beside a model is left out.
"""

import base64
import binascii
import io
import math
import re
import wave
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.counting.derivation import Derivation

Number: TypeAlias = float | str | None
"""A derived number; None: the payload is missing; `UNREADABLE`: it is there."""

UNREADABLE: Final = "unreadable"
"""Text in a column of numbers: it is counted as of the wrong type."""
MOST_PIXELS: Final = 4_000_000
"""Pictures with more are not decoded: 4 bytes a pixel are held at once, and 20 ms go by."""
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
"""Of pictures; each further one is a further reader of what strangers send."""
_DRAFT: Final = (64, 64)
"""JPEG is decoded at an eighth of its size, if that is not below this; brightness stays."""
_CHANNELS: Final = frozenset({1, 3, 4})
_LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (ITU-R BT.601)."""
_WHITE: Final = 255.0
_PICTURE: Final = 2
"""Dimensions of a picture without channels."""
_MONO: Final = 8
"""Bits of samples that are unsigned."""
_CJK: Final = "぀-ヿ㐀-鿿가-힯"
_TOKEN: Final = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]{{1,8}}|\d{{1,3}}|[^\w\s]|_")


def derive(derivation: Derivation, values: Iterable[Any]) -> list[Number]:
    """Return the derived number of each payload.

    Parameters
    ----------
    derivation
        What is computed. Text: characters, or about as many tokens as a language model's
        vocabulary would take (a word of up to eight letters, three digits or one other sign each).
        Pictures: width and height in pixels, brightness as mean luma, 0 (black) to 1 (white).
        Audio, PCM in WAV: duration in seconds, volume as root mean square, 0 to 1 (full scale).
    values
        Payloads as decoded: text; bytes, or text that is base64 of them, a data URL, or an object
        with the member `b64`; pictures also as arrays of pixels, of whole numbers 0 to 255 or of
        fractions 0 to 1, with channels last or first.
    """
    compute = _DERIVATIONS[derivation]
    found: list[Number] = []
    for value in values:
        if _is_missing(value):
            found.append(None)
            continue
        try:
            found.append(float(compute(value)))
        # Readers of pictures raise what they like; whatever it is, the payload is not readable.
        except Exception:  # noqa: BLE001
            found.append(UNREADABLE)
    return found


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return value
    raise TypeError("no text")


def _text_length(value: Any) -> float:
    return len(_text(value))


def _token_count(value: Any) -> float:
    return sum(1 for _ in _TOKEN.finditer(_text(value)))


def _payload(value: Any) -> bytes:
    """Return the bytes of a payload.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        value = value.get("b64")
    if not isinstance(value, str):
        raise TypeError("no payload")
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _image_width(value: Any) -> float:
    return _size(value)[0]


def _image_height(value: Any) -> float:
    return _size(value)[1]


def _size(value: Any) -> tuple[int, int]:
    """Return width and height in pixels."""
    if _is_array(value):
        height, width = _pixels(value).shape[:2]
        return width, height
    with _opened(value) as image:
        size: tuple[int, int] = image.size
        return size


def _image_brightness(value: Any) -> float:
    if _is_array(value):
        return _luma(_pixels(value))
    with _opened(value) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too large")
        image.draft("L", _DRAFT)
        return float(np.asarray(image.convert("L")).mean()) / _WHITE


def _opened(value: Any) -> Any:
    # Loaded only where a monitor asks for pictures: it takes memory beside each model.
    from PIL import Image

    return Image.open(io.BytesIO(_payload(value)), formats=FORMATS)


def _is_array(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _pixels(value: Any) -> NDArray[Any]:
    """Return pixels as rows, columns and, where there are any, channels."""
    pixels = np.asarray(value)
    if pixels.size > MOST_PIXELS * 4 or pixels.dtype.kind not in "uif":
        raise ValueError("no pixels")
    if pixels.ndim == _PICTURE:
        return pixels
    if pixels.ndim != _PICTURE + 1 or not pixels.size:
        raise ValueError("no picture")
    if pixels.shape[-1] in _CHANNELS:
        return pixels
    if pixels.shape[0] in _CHANNELS:
        return np.moveaxis(pixels, 0, -1)
    raise ValueError("no channels")


def _luma(pixels: NDArray[Any]) -> float:
    whole = pixels.dtype.kind in "ui"
    if pixels.ndim == _PICTURE or pixels.shape[-1] == 1:
        mean = float(pixels.mean())
    else:
        colours = pixels[..., :3].reshape(-1, 3).mean(axis=0)
        mean = float(np.dot(colours, _LUMA))
    if not math.isfinite(mean):
        raise ValueError("no brightness")
    return mean / _WHITE if whole else mean


def _audio_duration(value: Any) -> float:
    with wave.open(io.BytesIO(_payload(value))) as audio:
        return float(audio.getnframes() / audio.getframerate())


def _audio_volume(value: Any) -> float:
    with wave.open(io.BytesIO(_payload(value))) as audio:
        width = audio.getsampwidth()
        frames = audio.readframes(audio.getnframes())
    samples = _samples(frames, width)
    if not samples.size:
        raise ValueError("no sound")
    return float(np.sqrt(np.mean(samples**2)))


def _samples(frames: bytes, width: int) -> NDArray[np.float64]:
    """Return samples of `width` bytes as parts of full scale, -1 to 1; 8 bits are unsigned."""
    bits = 8 * width
    usable = frames[: len(frames) // width * width]
    if bits == _MONO:
        return (np.frombuffer(usable, np.uint8).astype(np.float64) - 128) / 128
    # Little-endian numbers of any width: put into the upper bytes of 32 bits.
    raw = np.zeros((len(usable) // width, 4), np.uint8)
    raw[:, 4 - width :] = np.frombuffer(usable, np.uint8).reshape(-1, width)
    scaled: NDArray[np.float64] = raw.view("<i4")[:, 0].astype(np.float64) / 2.0**31
    return scaled


_DERIVATIONS: Final[Mapping[Derivation, Callable[[Any], float]]] = {
    Derivation.TEXT_LENGTH: _text_length,
    Derivation.TOKEN_COUNT: _token_count,
    Derivation.IMAGE_WIDTH: _image_width,
    Derivation.IMAGE_HEIGHT: _image_height,
    Derivation.IMAGE_BRIGHTNESS: _image_brightness,
    Derivation.AUDIO_DURATION: _audio_duration,
    Derivation.AUDIO_VOLUME: _audio_volume,
}
