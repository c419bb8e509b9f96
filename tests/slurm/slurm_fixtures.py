"""One cluster and one undisturbed run for all tests of SLURM: `pytest_plugins = ["slurm_fixtures"]` in their modules.

Not a conftest.py: the tests import from the one above this folder by that name.
"""

import shutil
from collections.abc import Iterator

import pytest
from cluster import Cluster
from slurm_project import SlurmProject, slurm_project


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Runs until the tests are over."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def undisturbed(cluster, tmp_path_factory) -> SlurmProject:
    """The headline as `snakemake --profile slurm` makes it; only a few jobs at a time, since the nodes are one machine."""
    project = slurm_project(tmp_path_factory.mktemp("undisturbed"), cluster)
    project.slurm("headline", "--jobs", "3", "--max-status-checks-per-second", "1")
    return project


@pytest.fixture
def project(undisturbed, cluster, tmp_path) -> SlurmProject:
    """Data is there, nothing is trained."""
    root = tmp_path / "project"
    shutil.copytree(undisturbed.root, root)
    for folder in ("checkpoints", "records", "predictions", "metrics", "summary"):
        shutil.rmtree(root / "results/miniature" / folder, ignore_errors=True)
    return SlurmProject(root, cluster)
