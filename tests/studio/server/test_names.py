"""What others see of the server's paths: names, and of everything else all of it."""

import pytest

from studio.server.names import names_alone


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("There is no folder of pictures at /home/anna/my-pictures/cats", "There is no folder of pictures at cats"),
        (
            "studio train vae --data /srv/x/pairs.jsonl --output /a/runs/1",
            "studio train vae --data pairs.jsonl --output 1",
        ),
        ('File "/opt/studio/training/loop.py", line 3, in fit', 'File "loop.py", line 3, in fit'),
        ("[Errno 2] No such file: '/home/anna/x.png'", "[Errno 2] No such file: 'x.png'"),
        ("in /srv/models/core/ alone", "in core alone"),
        ("no model in /srv/Anna Schmidt/models/core", "no model in core"),
        ("cannot read file:///srv/secret/models/core", "cannot read core"),
        ("between /srv/a and /srv/b", "between a and b"),
        ("~/pictures/x.png: bad; data=/etc/passwd; at:/a/b", "x.png: bad; data=passwd; at:b"),
    ],
)
def test_of_a_path_its_last_name_stays(text: str, seen: str) -> None:
    assert names_alone(text) == seen


@pytest.mark.parametrize(
    "text", ["owner/name@main, 1/2 and and/or", "https://example.org/a/b", "preset:tiny/core", "runs/NAME", "a / b"]
)
def test_what_is_no_path_of_the_server_stays_whole(text: str) -> None:
    assert names_alone(text) == text
