"""The way to the hub: `upload(folder, repo, api)`. Only `gcl publish --upload` calls it.

`upload_folder` of huggingface_hub sends no file twice, so the same call after an interruption continues. SHA256SUMS goes
last: a repository without it, or with other hashes in it, is not whole.
"""

from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from gcl.errors import ConfigError, DataError
from gcl.publication.folder import SUMS, check_whole


def check_repo(repo: str) -> None:
    """Refuse a name that the hub does not allow.

    Raises:
        ConfigError: if it is no OWNER/NAME.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigError(f"--repo {repo}: {error}") from None
    if repo.count("/") != 1:
        raise ConfigError(f"--repo {repo}: no owner; give OWNER/NAME, such as somebody/gcl-learner")


def open_hub() -> HfApi:
    """The hub, with the token of this user.

    Raises:
        ConfigError: if there is no token.
    """
    token = get_token()
    if token is None:
        raise ConfigError(
            "no token for the hub; make one that may write at https://huggingface.co/settings/tokens, then run "
            "`hf auth login` or set HF_TOKEN"
        )
    return HfApi(token=token)


def upload(folder: Path, repo: str, api: HfApi) -> str:
    """Send a whole folder; a new repository is private. Returns the address of the last commit.

    Raises:
        ConfigError: if the hub cannot be reached, or refuses.
        DataError: if the folder is not whole, or the hub refuses the head of its card.
    """
    check_whole(folder)
    again = "; the same command continues where it ended"
    try:
        api.create_repo(repo, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, ignore_patterns=[SUMS], commit_message="Add weights, card and provenance"
        )
        done = api.upload_file(
            repo_id=repo, path_or_fileobj=folder / SUMS, path_in_repo=SUMS, commit_message="Add the hashes of all files"
        )
    except OfflineModeIsEnabled:
        raise ConfigError("HF_HUB_OFFLINE is set; take it away to upload") from None
    except HfHubHTTPError as error:
        told = " ".join(str(error.server_message or error).split())
        status = error.response.status_code
        refused = f"{repo}: the hub refuses ({status}): {told}"
        raise ConfigError(
            f"{refused}; may the token write there?" if status in (401, 403) else refused + again
        ) from None
    except ValueError as error:
        raise DataError(f"{folder / 'README.md'}: {' '.join(str(error).split())}") from None
    except (HTTPError, RuntimeError) as error:
        raise ConfigError(f"{repo}: {' '.join(str(error).split())}{again}") from None
    return str(done.commit_url)
