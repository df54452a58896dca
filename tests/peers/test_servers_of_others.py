"""Servers and gateways that others wrote: what must hold with any of them, and what each is known not to do."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from completions_cli.local import engine
from tests.command import Cli
from tests.emulator_process import Start
from tests.local_weights import weights_path
from tests.peers.any_server import CASES, Server
from tests.peers.programs import free_port, program, running

_KEY = "sk-peers-0123456789"


@contextlib.contextmanager
def _llama_cpp(_: Path, __: Start) -> Iterator[Server]:
    """Run llama.cpp's own server, with the embedded model's weights."""
    with engine.running(weights_path(), sequences=4) as running_engine:
        # It computes requests together, and what is computed together changes the figures a little.
        yield Server(
            running_engine.endpoint,
            running_engine.key,
            running_engine.model,
            is_repeatable=False,
            unknown_model=None,
            hot=None,
        )


@contextlib.contextmanager
def _xpyd_sim(folder: Path, _: Start) -> Iterator[Server]:
    """Run a simulator of vLLM's server. It sends one choice, however many prompts it is given."""
    port = free_port()
    args = ("serve", "--host", "127.0.0.1", "--port", str(port), "--model", "sim", "--require-api-key", _KEY)
    quick = ("--prefill-delay-ms", "1", "--kv-transfer-delay-ms", "1", "--decode-delay-per-token-ms", "1")
    with running(folder, port, program("xpyd-sim", "xpyd-sim"), *args, *quick):
        yield Server(
            f"http://127.0.0.1:{port}/v1", _KEY, "sim", takes_arrays=False, is_repeatable=False, unknown_model=None
        )


@contextlib.contextmanager
def _guidellm(folder: Path, _: Start) -> Iterator[Server]:
    """Run guidellm's mock server. It answers 500 to several prompts, and checks neither names nor keys."""
    port = free_port()
    args = ("mock-server", "--host", "127.0.0.1", "--port", str(port), "--model", "mock", "--output-tokens", "16")
    with running(folder, port, program("guidellm", "guidellm"), *args, "--ttft-ms", "1", "--itl-ms", "1"):
        yield Server(
            f"http://127.0.0.1:{port}/v1",
            _KEY,
            "mock",
            takes_arrays=False,
            is_repeatable=False,
            unknown_model=None,
            wrong_key=None,
            hot=None,
        )


@contextlib.contextmanager
def _litellm(folder: Path, behind: Server) -> Iterator[Server]:
    """Run LiteLLM's proxy. Streams of several choices come with the same index each; a wrong key is a 400."""
    port = free_port()
    (folder / "litellm.yaml").write_text(
        f"""
model_list:
  - model_name: behind
    litellm_params: {{model: text-completion-openai/{behind.model}, api_base: "{behind.url}", api_key: "{behind.key}"}}
general_settings: {{master_key: {_KEY}}}
litellm_settings: {{num_retries: 0, telemetry: false}}
""",
        encoding="utf-8",
    )
    args = ("--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port))
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
    with running(folder, port, program("litellm", "litellm"), *args, env=offline):
        yield replace(
            behind,
            url=f"http://127.0.0.1:{port}/v1",
            key=_KEY,
            model="behind",
            streams_arrays=False,
            unknown_model=6,
            wrong_key=6,
        )


@contextlib.contextmanager
def _litellm_and_llama_cpp(folder: Path, start: Start) -> Iterator[Server]:
    program("litellm", "litellm")
    with _llama_cpp(folder, start) as behind, _litellm(folder, behind) as server:
        yield server


@contextlib.contextmanager
def _litellm_and_emulator(folder: Path, start: Start) -> Iterator[Server]:
    program("litellm", "litellm")
    url = start("--behaviour", "managed").url
    with _litellm(folder, Server(f"{url}/v1", "k", "m", takes_arrays=False)) as server:
        yield server


@contextlib.contextmanager
def _portkey(folder: Path, start: Start) -> Iterator[Server]:
    """Run Portkey's gateway before the emulator; a header of the caller names what is behind it.

    Streams of text completions end in a 500 of its own, and a temperature that is too high becomes the highest one.
    """
    port = free_port()
    url = start("--behaviour", "foundry", "--deployment", "echo").url
    script = Path(program("portkey", "gateway")).resolve()
    with running(folder, port, str(script), f"--port={port}", "--headless"):
        yield Server(
            f"http://127.0.0.1:{port}/v1",
            f"{url}/openai/v1",
            "echo",
            streams=False,
            lists_models=False,
            wrong_key=None,
            hot=None,
        )


@contextlib.contextmanager
def _named(_: Path, __: Start) -> Iterator[Server]:
    """Use a server that runs already: the variable holds its URL, key and model, with spaces between."""
    named = os.environ.get("COMPLETIONS_PEER", "")
    if not named:
        pytest.skip("COMPLETIONS_PEER names no server: URL KEY MODEL")
    url, key, model = named.split()
    yield Server(url, key, model)


_SERVERS = (_llama_cpp, _xpyd_sim, _guidellm, _litellm_and_llama_cpp, _litellm_and_emulator, _portkey, _named)


@pytest.mark.parametrize("start", _SERVERS, ids=lambda start: start.__name__.strip("_"))
def test_what_holds_with_any_server(
    start: Callable[[Path, Start], contextlib.AbstractContextManager[Server]],
    cli: Cli,
    emulator: Start,
    tmp_path: Path,
) -> None:
    failed = {}
    with start(tmp_path, emulator) as server:
        cli.service(server.url, server.key)
        if start is _portkey:
            headers = f'{{ x-portkey-provider = "openai", x-portkey-custom-host = "{server.key}" }}'
            cli.profile(f"[profiles.portkey]\nendpoint = '{server.url}'\nheaders = {headers}")
            cli.service(server.url).env.pop("COMPLETIONS_ENDPOINT")
        for case in CASES:
            try:
                case(server, cli, tmp_path)
            except AssertionError as error:
                failed[case.__name__] = str(error)
    assert not failed
