"""A part of the training scenes for the validation: `hold_out(scenes, share)` says which scenes a training does not see.

Scenes with near-identical pictures stay together, and actions are spread evenly, as in a drawn split. The part depends on
the scenes and the share alone. So all runs on a data set are validated on the same scenes, whatever their seed.
"""

from collections.abc import Sequence

from gcl.data.images import load_picture
from gcl.data.importing.splits import draw_split
from gcl.data.scenario import Scenario
from gcl.data.similar import perceptual_hash, scene_groups
from gcl.errors import DataError


def hold_out(scenes: Sequence[Scenario], share: float) -> set[str]:
    """Ids of the scenes that are held out; their order does not matter.

    Raises:
        DataError: if no scene would be held out, or none would be left; also if a picture cannot be read.
    """
    ordered = sorted(scenes, key=lambda scene: scene.id)
    groups = scene_groups([[perceptual_hash(load_picture(p.path)[0]) for p in scene.pictures] for scene in ordered])
    return drawn([scene.id for scene in ordered], [scene.action or "" for scene in ordered], groups, share)


def drawn(ids: Sequence[str], labels: Sequence[str], groups: Sequence[int], share: float) -> set[str]:
    """Draw whole groups, as near to the share as they allow.

    Args:
        ids: of the scenes, sorted.
        labels: action of each scene.
        groups: scenes with the same number stay together.
        share: of the scenes.

    Raises:
        DataError: as `hold_out`.
    """
    count, wanted = len(ids), round(share * len(ids))
    said = f"training.validation.share: {share:g} of {count} training scenes"
    if not 0 < wanted < count:
        raise DataError(f"{said} is {wanted}; {'raise' if wanted == 0 else 'lower'} the share")
    splits = draw_split(labels, groups, count - wanted, wanted, seed=0, exact=False)
    found = {id for id, split in zip(ids, splits, strict=True) if split == "test"}
    if not 0 < len(found) < count:
        sizes = [groups.count(group) for group in set(groups)]
        raise DataError(
            f"{said} is {wanted}, but near-identical pictures stay together in {len(sizes)} group{'s' * (len(sizes) > 1)}, "
            f"the smallest of {min(sizes)}; take another share, or null"
        )
    return found
