"""Which numbers can be computed of a payload: names only, for those who compute none."""

from enum import StrEnum


class Derivation(StrEnum):
    """What is computed of a payload."""

    TEXT_LENGTH = "TextLength"
    TOKEN_COUNT = "TokenCount"
    IMAGE_WIDTH = "ImageWidth"
    IMAGE_HEIGHT = "ImageHeight"
    IMAGE_BRIGHTNESS = "ImageBrightness"
    AUDIO_DURATION = "AudioDuration"
    AUDIO_VOLUME = "AudioVolume"

    @property
    def is_cheap(self) -> bool:
        """Whether it costs no more than counting a value does."""
        return self in {Derivation.TEXT_LENGTH, Derivation.TOKEN_COUNT}
