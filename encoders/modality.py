"""The kinds of media that the studio knows, in the one order used everywhere."""

from enum import StrEnum


class Modality(StrEnum):
    """A kind of media. Models read all of them and write the first four."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DEPTH = "depth"
    THERMAL = "thermal"
    IMU = "imu"
