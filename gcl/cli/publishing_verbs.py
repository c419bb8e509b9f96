"""The verb that gives a trained member to others.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import sys
from pathlib import Path

from gcl.cli.arguments import Results, Scale, opened
from gcl.errors import ConfigError


def publish(
    run: str, /, *, role: str | None = None, repo: str | None = None, to: Path | None = None, upload: bool = False,
    scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Make a trained member ready for the hub and for archives. Nothing leaves this machine without --upload.

    The folder gets weights, tokenizer and processor, a model card, scores, an RO-Crate, metadata for Zenodo, and hashes.

    For example:

        gcl publish snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0 --role learner --repo OWNER/NAME
        gcl publish snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0 --role learner --repo OWNER/NAME --upload

    Args:
        run: Its id (see gcl runs).
        role: The member to publish; needed where several were trained.
        repo: Repository on the hub, OWNER/NAME.
        to: Folder to write. By default below results/<scale>/publications.
        upload: Send it to --repo as well. A terminal is asked first. A new repository is private.
    """
    from gcl.publication import folder, hub
    from gcl.publication.trained import open_trained

    if repo is not None:
        hub.check_repo(repo)
    elif upload:
        raise ConfigError("--upload needs --repo OWNER/NAME")
    api = hub.open_hub() if upload else None
    experiment = opened(scale=scale)
    member = open_trained(experiment, results, run, role)
    to = to or results / experiment.scale / "publications" / member.run.id / member.spec.role
    folder.make_folder(experiment, results, member, to, repo)
    sizes = folder.check_whole(to)
    where = f"https://huggingface.co/{repo}" if repo else "no repository yet"
    print(f"{to}: {len(sizes)} files, {_size(sum(sizes.values()))}, for {where}")
    for name, size in sizes.items():
        print(f"  {_size(size):>11}  {name}")
    if api is None or repo is None:
        print(
            "nothing was uploaded"
            + (": that takes --upload" if repo else ": that takes --repo OWNER/NAME and --upload")
        )
        return
    if sys.stdin.isatty() and input(f"Upload these {len(sizes)} files to {where}? [y/N] ").strip().lower() not in (
        "y",
        "yes",
    ):
        print("nothing was uploaded")
        return
    print(hub.upload(to, repo, api))


def _size(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


VERBS = (publish,)
