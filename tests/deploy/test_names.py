"""What the files of deploy/ name exists."""

import re

import pytest

from tests.deploy import files

FILES = sorted(path for path in files.DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock" and path.name != ".env")


@pytest.mark.parametrize("path", [*FILES, files.ROOT / "SECURITY.rst"], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path):
    # what Kubernetes would add of itself
    named = set(re.findall(r"MINTAKA_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))) - {"MINTAKA_PORT"}
    assert named <= files.SETTINGS


def test_every_folder_and_file_of_the_deployment_is_documented():
    page = (files.ROOT / "docs" / "deployment.rst").read_text(encoding="utf-8")
    tops = {path.relative_to(files.DEPLOY).parts[0] for path in FILES}
    assert {name for name in tops if name.removesuffix(".yaml") not in page} == set()
