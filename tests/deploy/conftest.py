"""The image that deploy/Containerfile describes, built once for all processes of a test run."""

import fcntl
import pickle

import pytest

from tests.conftest import IN_CI
from tests.deploy.containerfile import BuildError, build
from tests.serving import ROOT

UNREACHABLE = ("Failed to establish a new connection", "ConnectTimeoutError", "NameResolutionError", "Temporary failure in name resolution")


@pytest.fixture(scope="session")
def image(tmp_path_factory, request):
    """The `Image` of deploy/Containerfile. Skips where the package index is not reached, and fails in CI."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "image"
    folder.mkdir(exist_ok=True)
    built = folder / "image.pickle"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            try:
                built.write_bytes(pickle.dumps(build(ROOT / "deploy" / "Containerfile", ROOT, folder)))
            except BuildError as error:
                if IN_CI or not any(words in str(error) for words in UNREACHABLE):
                    raise
                pytest.skip("the package index is not reached")
    return pickle.loads(built.read_bytes())
