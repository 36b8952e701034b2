"""Numbers that are computed of payloads, in every form in which payloads arrive."""

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelmonitor.api.v1alpha1.collection import Derivation as Declared
from modelmonitor.core.counting.derivation import Derivation
from modelmonitor.core.counting.derived import MOST_PIXELS, UNREADABLE, derive

WIDTH, HEIGHT = 40, 30


def picture(grey: int, kind: str = "PNG", size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (grey, grey, grey)).save(file, kind)
    return file.getvalue()


def sound(samples: np.ndarray[Any, Any], width: int, rate: int = 8000) -> bytes:
    """Return mono PCM of samples in parts of full scale."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(width)
        audio.setframerate(rate)
        if width == 1:
            audio.writeframes((samples * 127 + 128).astype(np.uint8).tobytes())
        else:
            whole = (samples * (2.0 ** (8 * width - 1) - 1)).astype("<i4")
            raw = whole.view(np.uint8).reshape(-1, 4)[:, :width]
            audio.writeframes(raw.tobytes())
    return file.getvalue()


def one(derivation: Derivation, value: Any) -> Any:
    return derive(derivation, [value])[0]


def forms(payload: bytes) -> list[Any]:
    text = base64.b64encode(payload).decode()
    return [payload, text, f"data:image/png;base64,{text}", {"b64": text}]


def test_the_api_declares_what_is_computed() -> None:
    assert [str(each) for each in Declared] == [str(each) for each in Derivation]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("form", range(4))
def test_a_picture_has_a_size_and_a_brightness(kind: str, form: int) -> None:
    value = forms(picture(51, kind))[form]
    assert one(Derivation.IMAGE_WIDTH, value) == WIDTH
    assert one(Derivation.IMAGE_HEIGHT, value) == HEIGHT
    assert one(Derivation.IMAGE_BRIGHTNESS, value) == pytest.approx(0.2, abs=0.02)


def test_a_large_jpeg_is_as_bright_as_its_parts() -> None:
    halves = np.zeros((600, 800, 3), np.uint8)
    halves[:, 400:] = 255
    file = io.BytesIO()
    Image.fromarray(halves).save(file, "JPEG")
    assert one(Derivation.IMAGE_BRIGHTNESS, file.getvalue()) == pytest.approx(0.5, abs=0.01)


def test_a_picture_that_is_too_large_is_not_decoded_but_has_a_size() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    huge = picture(0, size=(side, side))
    assert one(Derivation.IMAGE_WIDTH, huge) == side
    assert one(Derivation.IMAGE_BRIGHTNESS, huge) == UNREADABLE


@pytest.mark.parametrize(
    ("pixels", "brightness"),
    [
        (np.full((HEIGHT, WIDTH, 3), 51, np.uint8), 0.2),
        (np.full((3, HEIGHT, WIDTH), 0.25, np.float32), 0.25),
        (np.full((HEIGHT, WIDTH), 255), 1.0),
        (np.zeros((HEIGHT, WIDTH, 1)).tolist(), 0.0),
        (np.dstack([np.full((HEIGHT, WIDTH), each) for each in (1.0, 0.0, 0.0)]), 0.299),
    ],
)
def test_pixels_are_a_picture(pixels: Any, brightness: float) -> None:
    assert one(Derivation.IMAGE_WIDTH, pixels) == WIDTH
    assert one(Derivation.IMAGE_HEIGHT, pixels) == HEIGHT
    assert one(Derivation.IMAGE_BRIGHTNESS, pixels) == pytest.approx(brightness, abs=1e-6)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_sound_has_a_duration_and_a_volume(width: int) -> None:
    tone = 0.5 * np.sin(np.linspace(0, 400 * np.pi, 4000, endpoint=False))
    value = sound(tone, width)
    assert one(Derivation.AUDIO_DURATION, value) == 0.5
    assert one(Derivation.AUDIO_VOLUME, value) == pytest.approx(0.5 / 2**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello, world", 3), ("monitoring 12345", 4), ("模型监控", 4), (b"a_b", 3)],
)
def test_text_has_about_as_many_tokens(text: str | bytes, tokens: int) -> None:
    assert one(Derivation.TOKEN_COUNT, text) == tokens
    assert one(Derivation.TEXT_LENGTH, text) == len(text)


@pytest.mark.parametrize("derivation", list(Derivation))
def test_what_is_missing_stays_missing(derivation: Derivation) -> None:
    assert derive(derivation, [None, float("nan")]) == [None, None]


@pytest.mark.parametrize(
    "value", [b"", b"\x89PNG\r\n", "no base64!", {}, {"b64": 3}, 7, [], [[[]]], [["a"]], "AAAA"]
)
@pytest.mark.parametrize(
    "derivation", [each for each in Derivation if each.value.startswith(("Image", "Audio"))]
)
def test_what_is_no_payload_is_unreadable(derivation: Derivation, value: Any) -> None:
    assert one(derivation, value) == UNREADABLE


def test_pixels_that_are_not_finite_have_no_brightness() -> None:
    assert one(Derivation.IMAGE_BRIGHTNESS, np.full((2, 2, 3), np.inf)) == UNREADABLE
