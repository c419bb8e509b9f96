"""The verb that puts a member behind HTTP.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import sys
from importlib.util import find_spec
from typing import Annotated

from cyclopts import Parameter, validators

from gcl.cli.arguments import Count, CountOrNone, Positive, Scale
from gcl.errors import ConfigError

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]


def serve(
    member: str, /, *, host: str = "127.0.0.1", port: Port = 8000,
    api_key: Annotated[str | None, Parameter(env_var="GCL_API_KEY")] = None,
    open_to_all: Annotated[bool, Parameter(name="--open")] = False,
    max_body: Count = 8_000_000, max_pixels: Count = 16_000_000, max_pictures: Count = 8, max_tokens: Count = 1024,
    context: Count = 8192, timeout: Positive = 60.0, batch: Count = 8, queue: CountOrNone = 32,
    dataset: str | None = None, scale: Scale = None,
) -> None:  # fmt: skip
    """Answer questions over HTTP, in the form of OpenAI's API, until SIGTERM.

    For example:

        gcl serve results/miniature/checkpoints/snei/sft/qwen3-vl-4b/default/seed0/solo
        gcl serve DIR --host 0.0.0.0 --port 8080 --api-key "$KEY"

    Args:
        member: A member's folder, deployed or not, that of a run with one member, or a base model: folder or id[@commit].
        host: Address to listen on. By default only this machine is let in.
        port: Its port; 0 for any free one.
        api_key: Key that clients must send; also read from the variable GCL_API_KEY.
        open_to_all: Let other machines in without a key.
        max_body: Bytes of a request.
        max_pixels: Pixels of one picture.
        max_pictures: Pictures of one request.
        max_tokens: Tokens of an answer, at most.
        context: Tokens of prompt and answer together. The model's own limit holds, too.
        timeout: Seconds of a request, waiting included.
        batch: Requests answered together.
        queue: Requests that may wait besides; more are refused with status 503.
        dataset: Base models only: the questions of this data set of config.yaml.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise ConfigError("gcl serve needs fastapi and uvicorn; install them: pip install 'gcl[serve]'")
    from gcl.serving.limits import Limits
    from gcl.serving.listening import check_address, listener, run, url

    if check_address(host, api_key, open_to_all=open_to_all):
        print(f"warning: other machines reach {host}; answers and pictures travel unencrypted", file=sys.stderr)
    limits = Limits(max_body, max_pixels, max_pictures, context, max_tokens, timeout, batch, queue)
    with listener(host, port) as opened:  # before the model is loaded, which takes a while
        from transformers.utils.logging import disable_progress_bar

        from gcl.cli.run_verbs import found_model
        from gcl.deployment.loaded_member import load
        from gcl.serving.chat_api import make_app

        disable_progress_bar()  # standard error is the log of requests
        served = load(found_model(member, dataset, scale))
        app = make_app(served, limits, api_key, lambda line: print(line, file=sys.stderr, flush=True))
        print(f"{served.name} answers at {url(opened)}/v1", flush=True)
        run(app, opened, timeout)


VERBS = (serve,)
