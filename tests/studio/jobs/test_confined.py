"""What a request may name where a studio is shared, as the worker sees it, whatever the page let through."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from studio_pages import open_page

from studio.home import home_of
from studio.jobs.queue import Job, JobQueue, JobState, Lease
from studio.jobs.worker import run_job
from studio.store import Store

IMPORT: Mapping[str, Any] = {
    "sources": ["SHARED/file.pt"], "base": "owner/core", "encoder": "SHARED/imagebind", "decoders": {"image": "none"},
    "base_rows": None, "name": "mine",
}  # fmt: skip
LAB: Mapping[str, Any] = {"experiment": "samples", "model": "vae"}
KNOWN = [
    ("import", IMPORT),
    ("check", {"data": "SHARED/file.pt", "stage": "vae"}),
    ("replay", {"path": "HOME/media/a.png", "preset": None}),
    ("lab", LAB),
    ("lab", {**LAB, "model": "HOME/runs/1"}),
    ("figures", {"models": ["vae", "HOME/runs/1"], "preset": "tiny", "samples": 20}),
    ("load", {"preset": "HOME/models/mine"}),
    ("chat", {"preset": "tiny"}),
]
ODD = [
    ("import", {**IMPORT, "sources": ["/etc/passwd"]}),
    ("import", {**IMPORT, "sources": ["SHARED/file.pt", "SHARED/../secret"]}),
    ("import", {**IMPORT, "base": "/etc"}),
    ("import", {**IMPORT, "encoder": "SHARED/.."}),
    ("import", {**IMPORT, "decoders": {"image": "SHARED/.hidden"}}),
    ("import", {**IMPORT, "name": "../mine"}),
    ("check", {"data": "/etc/passwd", "stage": "vae"}),
    ("check", {"data": "~/pictures", "stage": "vae"}),
    ("replay", {"path": "/etc/passwd", "preset": None}),
    ("replay", {"path": "HOME/media/../../../secret", "preset": None}),
    ("replay", {"path": "HOME/media/a.png", "preset": "/srv/model"}),
    ("lab", {**LAB, "model": "/srv/model"}),
    ("figures", {"models": ["vae", "HOME/../other"], "preset": "tiny", "samples": 20}),
    ("figures", {"models": [], "preset": "../other", "samples": 20}),
    ("load", {"preset": "/srv/model"}),
    ("chat", {"preset": "owner/model"}),
    ("create", {"preset": "/srv/model"}),
]


@pytest.fixture
def theirs(home: Path) -> Path:
    """The home of somebody who is let in, in a studio that offers two things."""
    (home / "shared" / "imagebind").mkdir(parents=True)
    (home / "shared" / ".hidden").mkdir()
    (home / "shared" / "file.pt").write_bytes(b"")
    return home_of("anna", home)


def done(kind: str, payload: Mapping[str, Any], home: Path, *, root: Path, is_confined: bool = False) -> Job:
    """Run a job that would do anything, and return how it ended."""

    def placed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("SHARED", str(root / "shared")).replace("HOME", str(home))
        if isinstance(value, list):
            return [placed(one) for one in value]
        return {name: placed(one) for name, one in value.items()} if isinstance(value, dict) else value

    queue = JobQueue(Store(home), is_confined=is_confined)
    job = queue.submit(kind, placed(dict(payload)))
    lease = queue.claim()
    assert lease is not None

    def do_anything(lease: Lease) -> None:
        lease.finish({})

    run_job(lease, {kind: do_anything})
    return queue.get(job.id)


@pytest.mark.parametrize(("kind", "payload"), KNOWN)
def test_what_is_offered_or_ones_own_is_done(home: Path, theirs: Path, kind: str, payload: Mapping[str, Any]) -> None:
    assert done(kind, payload, theirs, root=home).state == JobState.DONE
    assert done(kind, payload, home, root=home, is_confined=True).state == JobState.DONE


@pytest.mark.parametrize(("kind", "payload"), ODD)
def test_the_worker_refuses_what_a_page_should_not_have_let_through(
    home: Path, theirs: Path, kind: str, payload: Mapping[str, Any]
) -> None:
    for refused in (
        done(kind, payload, theirs, root=home),
        done(kind, payload, home, root=home, is_confined=True),
    ):
        assert refused.state == JobState.FAILED
        assert str(home) not in str(refused.error)
    if payload.get("name") != "../mine" and payload.get("path") != "HOME/media/../../../secret":
        assert done(kind, payload, home, root=home).state == JobState.DONE, "whoever runs the studio may name anything"


def test_a_file_of_the_persons_own_that_was_left_where_it_is_may_be_made_again(home: Path, theirs: Path) -> None:
    path = home.parent / "a.png"
    store = Store(theirs)
    with store.transaction() as database:
        database.execute(
            "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created, is_stored) "
            "VALUES ('m', 'image', 'h', '.png', 1, 1.0, ?)",
            (False,),
        )
        database.execute("INSERT INTO files VALUES (?, 'm', 1, 1, 1.0)", (str(path),))
    assert done("replay", {"path": str(path), "preset": None}, theirs, root=home).state == JobState.DONE


@pytest.mark.usefixtures("started_workers")
def test_what_a_shared_page_asks_for_is_known_as_such(home: Path, shared: str) -> None:
    page = open_page("models").run()
    page.button(key="load").click().run()
    assert not page.exception
    lease = JobQueue(Store(home_of(shared, home))).claim()
    assert lease is not None and lease.job.is_confined
