"""Text from a model, a file or a person, made safe to show."""

import unicodedata


def printable(text: str) -> str:
    """Return the text without control and format characters, which would steer a terminal or turn text around."""
    return "".join(
        letter for letter in text if letter in "\n\t\u200d" or unicodedata.category(letter) not in ("Cc", "Cf")
    )
