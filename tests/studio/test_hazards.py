"""What has gone wrong in programs like this one, seen from its pages: each hazard with the tests that hold it."""

import ast
import http.client
import io
import socket
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from serving import STREAMLIT, serving
from streamlit.testing.v1 import AppTest
from studio_pages import ROOT, html_of, open_page

from encoders.files import MediaError, read_media
from encoders.media import Image
from studio.conversation.ask import Upload, ask
from studio.conversation.history import History
from studio.conversation.transcript import to_markdown
from studio.errors import StudioError
from studio.home import home_of
from studio.jobs.finding import read_page_query
from studio.jobs.queue import JobQueue
from studio.library.gallery import packed
from studio.library.library import Library
from studio.media_store import MediaStore
from studio.models.runs import Runs
from studio.options import ReplyOptions
from studio.search.query import File
from studio.server.media_route import media_path
from studio.store import Store
from studio.ui.frame import FILE_TYPES

pytestmark = pytest.mark.usefixtures("started_workers")

HELD = {
    "pickle in a weights file runs code": (
        "encoders/test_weights.py::test_a_malicious_pickle_is_refused_unopened_and_says_what_to_do",
        "pipelines/test_core_safety.py::test_a_pickled_core_is_refused_with_a_sentence_that_says_what_to_do",
        "pipelines/test_core_safety.py::test_making_safetensors_of_a_pickle_runs_nothing_that_it_holds",
        "pipelines/test_core_safety.py::test_a_pickled_adapter_is_refused",
        "pipelines/test_decoder_loading.py::test_pickled_weights_are_never_opened",
        "pipelines/test_preset_safety.py::test_pickled_projections_are_refused",
        "pipelines/pretrained/test_nvlabs_pickle.py::test_a_hostile_file_is_refused_with_a_reason_and_runs_nothing",
        "pipelines/pretrained/test_stylegan2.py::test_a_malicious_checkpoint_is_refused_and_runs_nothing",
        "pipelines/test_decoder_loading.py::test_a_part_may_not_bring_other_weights_than_those_that_were_checked",
    ),
    "config turns on remote code": (
        "encoders/test_clap.py::test_a_folder_must_hold_exactly_a_clap",
        "pipelines/test_core_safety.py::test_a_core_that_asks_for_code_of_its_own_is_refused",
        "pipelines/test_core_safety.py::test_an_adapter_cannot_name_code_to_import",
        "pipelines/test_decoder_loading.py::test_an_index_that_names_code_is_refused_before_anything_is_loaded",
        "pipelines/test_decoder_loading.py::test_a_parts_config_that_names_code_is_refused",
        "pipelines/test_decoder_loading.py::test_code_beside_the_weights_is_never_run",
    ),
    "state-dict keys that pollute": (
        "encoders/test_weights.py::test_missing_extra_and_wrong_shaped_names_are_all_reported",
        "pipelines/test_core_safety.py::test_the_tensors_of_a_core_must_be_exactly_its_own",
        "pipelines/test_core_safety.py::test_the_tensors_of_an_adapter_must_be_exactly_its_own",
        "pipelines/test_decoder_loading.py::test_weights_must_be_exactly_the_networks",
        "pipelines/test_decoder_loading.py::test_an_adapter_inside_a_part_is_not_loaded_unseen",
        "pipelines/test_any_to_any.py::test_tensors_must_be_exactly_the_models",
    ),
    "broken signal runs crash the reply": (
        "pipelines/test_signals.py::test_only_complete_runs_are_found",
        "pipelines/test_signals.py::test_any_sequence_of_ids_is_handled",
        "pipelines/test_signals.py::test_every_complete_run_is_found",
        "pipelines/test_sampling.py::test_of_the_new_tokens_only_allowed_first_ones_are_ever_sampled",
        "pipelines/test_conversation.py::test_a_signal_run_is_one_forward",
    ),
    "half-written checkpoints": (
        "encoders/test_atomic.py::test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind",
        "encoders/test_weights.py::test_a_death_while_weights_are_written_again_leaves_the_old_ones",
        "training/test_checkpointing.py::test_a_writer_that_dies_leaves_the_checkpoint_before",
    ),
    "batch size changes the picture": (
        "pipelines/test_decoders.py::test_a_seed_gives_the_same_bytes_at_any_count",
        "pipelines/test_decoder_families.py::test_a_seed_gives_the_same_bytes_at_any_count",
        "pipelines/test_decoder_families.py::test_a_scheduler_that_adds_noise_draws_it_from_the_samples_own_seed",
        "pipelines/baselines/test_vae.py::test_the_same_seed_gives_the_same_bytes_however_many_are_made",
        "pipelines/baselines/test_biggan.py::test_the_same_seed_gives_the_same_bytes_however_many_are_made",
        "pipelines/baselines/test_stylegan2.py::test_the_same_seed_gives_the_same_bytes_however_many_are_made",
    ),
    "control tokens typed as text": (
        "pipelines/test_conversation_inputs.py::test_control_tokens_in_any_text_input_fire_nothing",
        "pipelines/test_text.py::test_text_that_spells_control_tokens_is_kept_to_the_letter",
        "pipelines/test_decoders.py::test_a_control_token_in_a_caption_is_read_as_text",
        "encoders/test_text_tokens.py::test_a_typed_control_token_of_a_tokenizer_json_stays_text",
        "studio/ui/test_chat_page.py::test_what_anybody_says_is_shown_as_it_is",
    ),
    "path traversal in gallery, download, delete, export": (
        "studio/server/test_media_route.py::test_what_is_not_an_id_of_the_store_is_not_found",
        "studio/server/test_media_route.py::test_a_file_is_kept_by_a_name_that_is_only_a_name",
        "studio/test_media_store.py::test_a_name_from_outside_reaches_no_file",
        "studio/test_media_store.py::test_discarding_with_a_name_from_outside_removes_nothing",
        "studio/models/test_runs.py::test_names_from_outside_reach_no_other_folder",
        "studio/models/test_offered.py::test_no_other_name_leads_anywhere",
        "studio/jobs/test_importing.py::test_where_a_studio_is_shared_only_what_it_offers_is_imported",
        "studio/jobs/test_confined.py::test_the_worker_refuses_what_a_page_should_not_have_let_through",
        "studio/test_hazards.py::test_an_address_from_outside_opens_nothing_and_deletes_nothing",
        "studio/test_hazards.py::test_an_archive_holds_plain_names_alone",
    ),
    "stored XSS through uploaded SVG or HTML": (
        "studio/test_hazards.py::test_markup_is_never_media_whatever_it_is_called",
        "studio/server/test_media_route.py::test_a_file_of_the_persons_own_whose_type_is_unknown_is_only_ever_downloaded",
        "studio/server/test_media_route.py::test_a_whole_file_comes_with_its_type_its_hash_and_no_leave_to_guess",
        "studio/ui/test_chat_media.py::test_a_conversation_is_kept_as_a_page_and_as_markdown",
    ),
    "SSRF by media URL": ("studio/test_hazards.py::test_an_address_in_what_is_said_or_sought_is_only_words",),
    "limits enforced after decoding": (
        "encoders/test_files.py::test_ceilings_are_read_from_the_header_before_decoding",
        "encoders/test_files.py::test_of_a_wav_that_lasts_too_long_no_sample_is_read",
        "studio/test_media_store.py::test_an_upload_beyond_the_limit_is_refused_and_leaves_nothing",
        "studio/server/test_gate.py::test_a_form_without_end_is_not_read",
    ),
    "native decoder crash or hang": (
        "encoders/test_sandbox.py::test_the_caller_outlives_a_segfault_and_the_next_call_works",
        "encoders/test_sandbox.py::test_a_hang_ends_at_its_wall_limit",
        "encoders/test_sandbox.py::test_memory_is_limited",
        "encoders/test_sandbox.py::test_processor_time_is_limited",
    ),
    "rare formats": (
        "encoders/test_files.py::test_a_rare_picture_format_is_refused_unread_though_pillow_knows_it",
        "encoders/test_files.py::test_no_code_of_ours_opens_a_picture_without_naming_its_format",
    ),
    "error text leaks addresses or paths": (
        "encoders/test_files.py::test_an_error_names_the_file_and_never_its_folder",
        "studio/jobs/test_queue.py::test_an_error_becomes_a_message_of_our_own",
        "studio/test_faults.py::test_where_a_studio_is_shared_an_error_names_files_and_no_folders",
        "studio/ui/test_train_page.py::test_where_a_studio_is_shared_data_is_named_and_no_path_is_shown",
        "studio/ui/test_chat_page.py::test_the_server_listens_to_this_machine_alone_and_tells_no_details",
    ),
    "another user's objects by id": (
        "studio/server/test_gate.py::test_the_media_of_another_are_not_found_by_their_id",
        "studio/server/test_commands.py::test_a_served_studio_shows_everybody_their_own_media_alone",
        "studio/test_hazards.py::test_what_is_anothers_is_not_found_on_any_page",
        "studio/test_hazards.py::test_the_work_of_another_is_not_found_by_its_address",
        "studio/test_hazards.py::test_the_trainings_of_another_are_not_found_by_their_address",
    ),
    "cross-site requests, DNS rebinding": (
        "studio/server/test_application.py::test_media_come_in_ranges_and_never_compressed_and_only_to_names_of_this_machine",
        "studio/server/test_gate.py::test_another_site_can_sign_nobody_in",
        "studio/server/test_gate.py::test_on_this_machine_nobody_is_asked_and_from_outside_everybody_is_refused",
        "studio/test_hazards.py::test_the_page_of_another_site_can_neither_talk_nor_read",
    ),
    "cancel that still decodes, memory that stays": (
        "pipelines/test_conversation.py::test_memory_stays_flat_over_many_cancels",
        "pipelines/test_decoder_families.py::test_every_step_is_reported_and_cancelling_stops_before_the_autoencoder",
        "pipelines/test_placement.py::test_memory_stays_flat_over_cancels",
        "studio/jobs/test_queue.py::test_cancelling_ends_a_waiting_job_at_once_and_a_running_one_at_its_next_step",
    ),
    "jobs lost at restart": (
        "studio/jobs/test_queue.py::test_a_job_whose_worker_is_killed_runs_again_exactly_once",
        "studio/server/test_application.py::test_a_job_whose_worker_is_killed_is_taken_up_by_the_next_without_a_page",
        "studio/server/test_application.py::test_a_job_that_a_leaving_worker_gives_back_counts_as_not_begun",
    ),
    "a refreshed page loses the running training": (
        "studio/models/test_runs.py::test_a_training_is_watched_stopped_and_resumed_by_anybody",
        "studio/models/test_runs.py::test_a_training_whose_minder_is_killed_ends_and_holds_its_folder_until_then",
        "studio/ui/test_train_page.py::test_a_running_training_shows_its_losses_and_examples_and_is_stopped",
        "studio/ui/test_chat_page.py::test_a_refreshed_page_comes_back_to_a_reply_under_way",
    ),
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.parametrize("hazard", HELD)
def test_the_tests_that_hold_a_hazard_are_there(hazard: str) -> None:
    for test in HELD[hazard]:
        path, _, name = test.partition("::")
        names = {
            node.name
            for node in ast.walk(ast.parse((ROOT / "tests" / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert name in names, test


def put(home: Path, shade: float = 0.0) -> str:
    """Put a picture into the store of a home."""
    return MediaStore(Store(home)).add(Image(torch.full((3, 8, 8), shade)))[0].id


@pytest.mark.parametrize("content", [SVG, HTML, b"\xef\xbb\xbf" + SVG, b"GIF89a" + HTML, b"\x89PNG\r\n\x1a\n" + HTML])
@pytest.mark.parametrize("name", ["picture.svg", "picture.png", "page.html", "sound.wav"])
def test_markup_is_never_media_whatever_it_is_called(tmp_path: Path, content: bytes, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(MediaError):
        read_media(file)
    assert not {"svg", "html", "htm", "xml"} & set(FILE_TYPES)


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest/x.png", "file:///etc/passwd", "//evil.example/x.mp4"]
)
def test_an_address_in_what_is_said_or_sought_is_only_words(
    store: Store, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("somebody went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    conversation = History(store).create("tiny")
    job = ask(store, conversation=conversation.id, text=f"describe {address}", options=ReplyOptions(seed=0))
    assert History(store).request(job.id).content == [{"type": "text", "text": f"describe {address}"}]
    page = open_page("chat")
    page.query_params["c"] = conversation.id
    assert not page.run().exception
    try:
        sought = read_page_query(address)
    except StudioError:
        return
    assert not any(isinstance(term.what, File) for term in sought.terms)


@pytest.mark.parametrize("name", ["../../studio.db", "/etc/passwd", "%2e%2e", "0" * 64, "'; DROP TABLE media; --"])
def test_an_address_from_outside_opens_nothing_and_deletes_nothing(home: Path, name: str) -> None:
    put(home)
    before = {path for path in home.rglob("*") if path.is_file()}
    for page_name in ("chat", "library", "create", "train", "lab"):
        page = open_page(page_name)
        for word in ("c", "item", "job", "run", "found"):
            page.query_params[word] = name
        page.run()
        assert not page.exception, page_name
        assert "root:" not in html_of(page)
    assert before <= {path for path in home.rglob("*") if path.is_file()}
    assert len(Library(Store(home)).items()) == 1


def test_an_archive_holds_plain_names_alone(home: Path, store: Store) -> None:
    media_id = put(home)
    conversation = History(store).create("tiny")
    uploads = [Upload("0" * 32, "../../x.png")]
    ask(store, conversation=conversation.id, text="../../y", uploads=uploads, options=ReplyOptions(seed=0))
    History(store).append(conversation.id, "user", [{"type": "image", "media": media_id}], job="another")
    for archive in (
        to_markdown(History(store), MediaStore(store), conversation.id),
        packed(Library(store), [media_id]),
    ):
        names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
        assert names and all(Path(name).name == name and ".." not in name for name in names)


def test_what_is_anothers_is_not_found_on_any_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben opens every address that Anna has."""
    theirs = home_of("anna", home)
    store = Store(theirs)
    conversation = History(store).create("tiny")
    ask(store, conversation=conversation.id, text="Anna's secret", options=ReplyOptions(seed=0))
    job = JobQueue(store).submit("create", {"grid": [], "across": [], "down": []})
    addresses = {"c": conversation.id, "item": put(theirs), "job": job.id, "found": job.id}

    def pages() -> list[AppTest]:
        opened = [open_page(name) for name in ("chat", "library", "create")]
        for page in opened:
            for word, value in addresses.items():
                page.query_params[word] = value
        return [page.run() for page in opened]

    monkeypatch.setattr("studio.ui.frame.person", lambda: "ben")
    chat, library, create = pages()
    assert not any(page.exception for page in (chat, library, create))
    assert "not known here" in chat.warning[0].value
    assert "not in the library" in library.warning[0].value
    assert "Nothing made yet" in html_of(create)
    assert "secret" not in html_of(chat)
    for gone in (
        lambda: JobQueue(Store(home_of("ben", home))).cancel(job.id),
        lambda: Library(Store(home)).get(addresses["item"]),
    ):
        with pytest.raises(StudioError):
            gone()
    monkeypatch.setattr("studio.ui.frame.person", lambda: "anna")
    assert "secret" in html_of(pages()[0])


@pytest.mark.parametrize(
    ("page_name", "word", "kind"),
    [
        ("create", "job", "create"), ("library", "adding", "take-in"), ("library", "found", "search"),
        ("library", "job", "replay"), ("lab", "job", "lab"), ("lab", "figures", "figures"),
        ("models", "import", "import"), ("models", "memory", "load"), ("train", "checked", "check"),
    ],
)  # fmt: skip
def test_the_work_of_another_is_not_found_by_its_address(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_name: str, word: str, kind: str
) -> None:
    """Anna finds her work again, with its button to stop it, where Ben finds nothing."""
    payload: dict[str, dict[str, Any]] = {
        "create": {"grid": [], "across": [], "down": []},
        "search": {"uploads": [], "text": "a bell"},
        "check": {"data": str(tmp_path), "stage": "vae"},
    }
    job = JobQueue(Store(home_of("anna", home))).submit(kind, payload.get(kind, {}))
    recipe = {"preset": "tiny", "options": {"seed": 0}, "messages": [{"role": "user", "content": []}]}
    monkeypatch.setattr("studio.ui.detail.recipe_of", lambda studio, media_id: recipe)

    def page_of(person: str) -> AppTest:
        monkeypatch.setattr("studio.ui.frame.person", lambda: person)
        page = open_page(page_name)
        page.query_params[word] = job.id
        if kind == "replay":
            page.query_params["item"] = put(home_of(person, home))
        page.run()
        if kind == "figures":
            page.button_group(key="generator").set_value("figures").run()
        if kind == "check":
            page.selectbox(key="stage").set_value("vae").run()
            page.button_group(key="own_data").set_value([True]).run()
            page.text_input(key="data_path").set_value(str(tmp_path)).run()
        assert not page.exception
        return page

    stop = f"stop-{job.id}"
    assert stop in [button.key for button in page_of("anna").button]
    assert stop not in [button.key for button in page_of("ben").button]


def test_the_trainings_of_another_are_not_found_by_their_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)
    run = Runs(home_of("anna", home)).start("vae", {"steps": "12345"})

    def page_of(person: str, word: str) -> AppTest:
        monkeypatch.setattr("studio.ui.frame.person", lambda: person)
        page = open_page("train")
        page.query_params[word] = run.id
        page.run()
        assert not page.exception
        return page

    assert "12345" in page_of("anna", "run").code[0].value
    found = page_of("ben", "run")
    assert "not known here" in found.warning[0].value
    assert not found.code
    assert "12345" in html_of(page_of("anna", "compare"))
    compared = page_of("ben", "compare")
    assert not compared.multiselect(key="compared").options
    assert "12345" not in html_of(compared)


def test_the_page_of_another_site_can_neither_talk_nor_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRESET", "none")
    media_id = put(home)
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip

    def ask_for(address: str, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        connection.close()
        return answer

    with serving(home, command=STREAMLIT) as address:
        socket_path = "/_stcore/stream"
        assert ask_for(address, socket_path, **upgrade, Origin=address).status == 101
        assert ask_for(address, socket_path, **upgrade, Origin="http://evil.example").status == 403
        assert ask_for(address, socket_path, **upgrade, Origin="http://evil.example", Host="evil.example").status == 400
        read = ask_for(address, media_path(media_id), Origin="http://evil.example")
        assert read.status == 200
        assert read.headers["access-control-allow-origin"] is None
        assert read.headers["cross-origin-resource-policy"] == "same-origin"
