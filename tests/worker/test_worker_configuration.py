"""worker.toml, environment and flags: precedence, defaults, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from empq.errors import StartRefused
from empq.worker.addresses import HubAddress
from empq.worker.configuration import Flags, load
from empq.worker.main import main
from empq.worker.settings_sources import FromEnvironment, environment

NOTHING = FromEnvironment(None, None, None)
CONNECTOR = '[[connector]]\nkind = "simulation"\n'


def written(folder: Path, text: str) -> Flags:
    file = folder / "worker.toml"
    file.write_text(text)
    return Flags(file=file)


def test_flags_win_over_environment_over_file(tmp_path: Path) -> None:
    flags = written(tmp_path, f'[worker]\nid = "file"\n{CONNECTOR}')
    from_environment = FromEnvironment(None, None, "environment")

    assert load(flags, NOTHING).worker_id == "file"
    assert load(flags, from_environment).worker_id == "environment"
    assert load(flags._replace(worker_id="flag"), from_environment).worker_id == "flag"


def test_slots_are_what_the_connectors_take_unless_stated(tmp_path: Path) -> None:
    connectors = '[[connector]]\nkind = "simulation"\nslots = 3\n' + CONNECTOR
    assert load(written(tmp_path, connectors), NOTHING).slots == 4
    assert load(written(tmp_path, f"[worker]\nslots = 2\n{connectors}"), NOTHING).slots == 2
    assert load(written(tmp_path, connectors)._replace(slots=9), NOTHING).slots == 9
    worker = load(written(tmp_path, f"[worker]\nslots = 8\n{connectors}"), NOTHING)
    assert [backend.slots for backend in worker.services.backends] == [3, 8]


def test_simulate_offers_what_the_contract_says() -> None:
    worker = load(Flags(simulate=True), NOTHING)
    assert worker.services.names() == ["comfyui", "a1111", "simulation"]
    assert worker.slots == 2


def test_comfyui_takes_an_address_without_its_scheme_as_hub_does() -> None:
    [backend] = load(Flags(comfyui="127.0.0.1:8188"), NOTHING).services.backends
    assert backend.connector.settings.url == "http://127.0.0.1:8188"


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    assert environment({"EMPQ_TOKEN_FILE": str(secret)}).token == "s3cret"
    with pytest.raises(StartRefused, match="EMPQ_TOKEN_FILE: cannot read"):
        environment({"EMPQ_TOKEN_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[worker", "worker.toml: not valid TOML"),
        ("[worker]\n", "worker.toml: connector: at least one [[connector]]"),
        (f"[wroker]\n{CONNECTOR}", "worker.toml: wroker: unknown"),
        (f"[worker]\nname = 1\n{CONNECTOR}", "worker.toml: worker: Object contains unknown field"),
        (f"[worker]\nslots = 0\n{CONNECTOR}", "worker.toml: worker.slots: Expected `int` >= 1"),
        (f'[worker]\nid = "a b"\n{CONNECTOR}', "worker.toml: worker.id = 'a b': expected"),
        (f'[worker]\nhub = "ftp://x"\n{CONNECTOR}', "worker.toml: worker.hub = 'ftp://x'"),
        (
            f"[worker.capabilities.hardware]\ngpu_memory_gb = -1\n{CONNECTOR}",
            "worker.toml: worker.capabilities.hardware.gpu_memory_gb: -1 must be a number",
        ),
        (
            f"[worker.capabilities]\nservice = 1\n{CONNECTOR}",
            "worker.toml: worker.capabilities.service: unknown field",
        ),
        (
            f"[worker]\nslots = 2\n[worker.capabilities.performance]\nconcurrent_jobs = 3\n{CONNECTOR}",
            "state one of them",
        ),
        ("[[connector]]\n", "connector[0]: Object missing required field `kind`"),
        (
            '[[connector]]\nkind = "sd"\n',
            "connector[0].kind = 'sd': unknown; the known kinds are comfyui, simulation",
        ),
        (f"{CONNECTOR}slots = 0\n", "connector[0].slots: Expected `int` >= 1"),
        (f"{CONNECTOR}colour = 1\n", "connector[0]: Object contains unknown field `colour`"),
        (f"{CONNECTOR}breaker = {{open = 1}}\n", "connector[0].breaker: Object contains unknown"),
    ],
)
def test_every_mistake_is_named_by_file_and_path(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(StartRefused) as caught:
        load(written(tmp_path, text), NOTHING)
    assert sentence in str(caught.value)


def test_the_program_names_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "empq-worker: worker.toml: no such file; name one, or use --comfyui URL or --simulate\n"
    )


@pytest.mark.parametrize(
    ("written", "socket"),
    [
        ("hub:8000", "ws://hub:8000/ws/worker"),
        ("https://hub.example/", "wss://hub.example/ws/worker"),
        ("ws://[::1]:8000/ws/worker", "ws://[::1]:8000/ws/worker"),
        ("http://proxy/empq", "ws://proxy/empq/ws/worker"),
    ],
)
def test_addresses_of_a_hub(written: str, socket: str) -> None:
    assert HubAddress.parse(written, "--hub").socket == socket
