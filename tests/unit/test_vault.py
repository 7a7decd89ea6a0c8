"""What blocks are encrypted with: which key seals, which keys open, and where a key comes from when none is set."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from app.errors import NoKey
from app.services.vault import Vault, generate_key

OLD, NEW = generate_key(), generate_key()
SECRET = {"password": "hunter2", "n": [1, 2**70, None, "é"]}


def test_what_is_sealed_opens_as_it_was_and_shows_nothing():
    token = Vault([OLD]).seal(SECRET)
    assert Vault([OLD]).open(token) == SECRET
    assert "hunter2" not in token


def test_the_first_key_seals_and_all_open():
    before = Vault([OLD]).seal(SECRET)
    both = Vault([NEW, OLD])
    assert both.open(before) == SECRET
    assert Vault([NEW]).open(both.seal(SECRET)) == SECRET


def test_resealing_puts_the_first_key_in_place_of_any_other():
    assert Vault([NEW]).open(Vault([NEW, OLD]).reseal(Vault([OLD]).seal(SECRET))) == SECRET


@pytest.mark.parametrize("token", [Vault([OLD]).seal(SECRET), "", "not a token"])
def test_what_no_key_opens_is_an_error_that_names_the_setting(token):
    for use in (Vault([NEW]).open, Vault([NEW]).reseal):
        with pytest.raises(NoKey, match="MINTAKA_ENCRYPTION_KEYS"):
            use(token)


def test_without_a_key_or_a_file_the_error_says_what_to_set_and_how():
    for use in (Vault([]).seal, Vault([]).digests):
        with pytest.raises(NoKey, match=r"MINTAKA_ENCRYPTION_KEYS.*generate-key"):
            use({})


def test_the_file_is_made_when_something_is_sealed_and_for_its_owner_alone(tmp_path):
    file = tmp_path / "mintaka.db.key"
    token = Vault([], file).seal(SECRET)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Vault([], file).open(token) == SECRET
    assert list(tmp_path.iterdir()) == [file]
    assert Fernet(file.read_text().strip())


def test_a_file_that_is_gone_is_not_made_anew_by_reading(tmp_path):
    file = tmp_path / "key"
    with pytest.raises(NoKey, match="restore"):
        Vault([], file).open(Vault([OLD]).seal(SECRET))
    assert not file.exists()


def test_many_that_need_the_file_at_once_get_one_key(tmp_path):
    vaults = [Vault([], tmp_path / "key") for _ in range(16)]
    with ThreadPoolExecutor(16) as threads:
        tokens = list(threads.map(lambda vault: vault.seal(SECRET), vaults))
    assert all(vaults[0].open(token) == SECRET for token in tokens)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_set_key_seals_and_that_of_the_file_still_opens(tmp_path):
    file = tmp_path / "key"
    before = Vault([], file).seal(SECRET)
    vault = Vault([NEW], file)
    assert vault.open(before) == SECRET
    assert Vault([NEW]).open(vault.seal(SECRET)) == SECRET


def test_a_set_key_makes_no_file(tmp_path):
    Vault([NEW], tmp_path / "key").seal(SECRET)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff\xfe"])
def test_a_file_without_a_key_is_an_error_that_names_it(tmp_path, content):
    file = tmp_path / "broken"
    file.write_bytes(content)
    with pytest.raises(NoKey, match="broken"):
        Vault([], file).seal({})


def test_a_digest_is_the_same_for_the_same_value_and_key_and_for_no_other():
    one = Vault([OLD]).digests({"a": 1, "b": 2})
    assert one == Vault([OLD]).digests({"b": 2, "a": 1})
    assert one != Vault([OLD]).digests({"a": 1, "b": 3})
    assert one != Vault([NEW]).digests({"a": 1, "b": 2})
    assert one[0] in Vault([NEW, OLD]).digests({"a": 1, "b": 2})


def test_no_key_shows_in_a_vault():
    assert OLD not in repr(Vault([OLD]))
