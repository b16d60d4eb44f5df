import re
import shlex
import shutil
import subprocess

import pytest

from flows.import_bundle import main
from flows.promotions import main as show_promotions
from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.registry import find_bundle, find_evaluation
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import decide, read_promotions
from tests.helpers.small_bundles import make
from tests.helpers.small_models import write_models
from tests.helpers.stored import digest


def promote(store, name, bundle, *, passed=True):
    verdict, serves = Verdict(passed=passed, reason="0.4 is too little"), read_promotions(store, name).promoted
    decide(store, name, bundle.digest, digest("evaluation"), verdict, again=True, compared_with=serves)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_the_only_promoted_name_is_found_without_being_named(store):
    bundle = make(store, "bundle", 1)
    promote(store, "g2p", bundle)
    promote(store, "refused", make(store, "bundle", 2), passed=False)
    assert find_bundle(store, None) == (bundle, "g2p")


def test_a_name_leads_to_the_model_that_serves(store):
    first, second = (make(store, "bundle", seed) for seed in (1, 2))
    promote(store, "g2p", first)
    promote(store, "g2p", second)
    promote(store, "dates", first)
    assert find_bundle(store, "g2p") == (second, "g2p")


def test_without_a_name_none_or_several_promoted_ones_are_refused(store):
    with pytest.raises(SettingsError, match="no model is promoted in"):
        find_bundle(store, None)
    bundle = make(store, "bundle", 1)
    promote(store, "g2p", bundle)
    promote(store, "dates", bundle)
    with pytest.raises(SettingsError, match=r"--model is required: 2 names are promoted in .*: dates, g2p"):
        find_bundle(store, None)


def test_a_digest_is_found_by_its_first_digits(store):
    bundle = make(store, "bundle", 1)
    for digits in (6, 12, 16, 17, 40, 63, 64):
        assert find_bundle(store, bundle.digest[:digits]) == (bundle, None)
    wrong = bundle.digest[:20] + ("0" if bundle.digest[20] != "0" else "1")
    for none in (wrong, bundle.digest + "0", bundle.digest[:5], bundle.digest[:8] + "\n", bundle.digest[:6] + "*"):
        with pytest.raises(SettingsError, match="the digest of a bundle"):
            find_bundle(store, none)


def test_what_is_no_artifact_does_not_make_digits_ambiguous(store):
    """A making of a killed run, a copy under another name."""
    bundle = make(store, "bundle", 1)
    for name in (f".making-{bundle.digest}", f"{bundle.digest}.before", bundle.digest[:20]):
        shutil.copytree(bundle.path, bundle.path.with_name(name))
    assert find_bundle(store, bundle.digest[:6]) == (bundle, None)


def test_digits_that_begin_several_digests_are_refused(store):
    bundle = make(store, "bundle", 1)
    shutil.copytree(bundle.path, bundle.path.with_name(bundle.digest[:8] + "0" * 56))
    with pytest.raises(SettingsError, match="begins the digests of 2 bundles"):
        find_bundle(store, bundle.digest[:8])


def test_a_bundle_is_found_by_its_folder_in_the_store(store):
    bundle = make(store, "bundle", 1)
    assert find_bundle(store, str(bundle.path)) == (bundle, None)
    with pytest.raises(SettingsError, match="is an artifact of kind 'dataset', expected a bundle"):
        find_bundle(store, str(make(store, "dataset", 1).path))
    with pytest.raises(SettingsError, match="does not exist"):
        find_bundle(store, str(bundle.path) + "x")


def test_a_bundle_outside_the_store_is_refused_with_the_command_that_brings_it_in(store, tmp_path):
    elsewhere = Store(tmp_path / "elsewhere")
    bundle = make(elsewhere, "bundle", 1, change=write_models)
    with pytest.raises(SettingsError, match=rf"python -m flows.import_bundle {bundle.path} --store {store.root}"):
        find_bundle(store, str(bundle.path))
    assert import_bundle(store, bundle.path).digest == bundle.digest
    assert find_bundle(store, bundle.digest[:12]).bundle.path.is_relative_to(store.root)
    assert import_bundle(store, bundle.path).digest == bundle.digest  # again is no harm


def test_a_name_whose_models_were_all_refused_says_why(store):
    promote(store, "g2p", make(store, "bundle", 1), passed=False)
    with pytest.raises(SettingsError, match=r"no model passed its gate: 0\.4 is too little"):
        find_bundle(store, "g2p")


def test_an_unknown_name_is_refused_with_those_that_there_are(store):
    promote(store, "g2p", make(store, "bundle", 1))
    with pytest.raises(
        SettingsError, match=r"--model g2q is not a promoted name.*did you mean .g2p.*promoted in .* are: g2p"
    ):
        find_bundle(store, "g2q")


def test_an_altered_bundle_is_refused(store):
    bundle = make(store, "bundle", 1)
    promote(store, "g2p", bundle)
    (bundle.path / "codecs.json").write_text("{}")
    for model in (None, "g2p", bundle.digest[:8], str(bundle.path)):
        with pytest.raises(ArtifactError, match=r"codecs\.json"):
            find_bundle(store, model)


def test_a_promoted_bundle_that_is_gone_is_refused(store):
    bundle = make(store, "bundle", 1)
    promote(store, "g2p", bundle)
    shutil.rmtree(bundle.path)
    with pytest.raises(ArtifactError, match="is not an artifact"):
        find_bundle(store, None)


@pytest.fixture
def former(store):
    """A promoted bundle in a store of an older version, which named folders by 16 digits."""
    bundle = make(store, "bundle", 1, change=write_models)
    promote(store, "g2p", bundle)
    return bundle.path.rename(bundle.path.with_name(bundle.digest[:16]))


@pytest.mark.parametrize("model", [None, "g2p", "6 digits", "16 digits", "all digits", "its folder"])
def test_a_bundle_that_an_older_version_named_is_refused_with_the_command_that_renames_it(store, former, model):
    whole = read_promotions(store, "g2p").promoted
    model = {"6 digits": whole[:6], "16 digits": whole[:16], "all digits": whole, "its folder": str(former)}.get(
        model, model
    )
    with pytest.raises(ArtifactError) as refused:
        find_bundle(store, model)
    (command,) = re.findall(r"has a name of an older version of the project \(to keep it: (.+)\)", str(refused.value))
    subprocess.run(shlex.split(command), check=True)
    assert find_bundle(store, whole[:8] if model == str(former) else model).bundle.digest == whole


def test_a_bundle_that_an_older_version_named_can_be_imported_into_its_own_store(store, former):
    digest = read_promotions(store, "g2p").promoted
    assert import_bundle(store, former).digest == digest
    assert find_bundle(store, None).bundle.path.name == digest
    assert find_bundle(store, digest[:16]).bundle.path.name == digest


def test_a_step_that_an_older_version_named_is_made_again(store):
    bundle = make(store, "bundle", 1)
    bundle.path.rename(bundle.path.with_name(bundle.digest[:16]))
    assert make(store, "bundle", 1).path == bundle.path


def test_the_history_says_that_an_older_version_named_the_folder(store, former, capsys):
    assert show_promotions(["--store", str(store.root)]) == 0
    assert "(its folder has a former name)" in capsys.readouterr().out
    shutil.rmtree(former)
    assert show_promotions(["--store", str(store.root)]) == 0
    assert "(its bundle is gone)" in capsys.readouterr().out


@pytest.mark.parametrize("harm", ["altered", "added", "other kind", "unknown settings"])
def test_what_is_no_sound_bundle_is_not_brought_in(store, tmp_path, harm):
    elsewhere = Store(tmp_path / "elsewhere")
    kind = "dataset" if harm == "other kind" else "bundle"
    unknown = {"experiment": {"wings": 2}} if harm == "unknown settings" else {}
    folder = make(elsewhere, kind, 1, **unknown).path
    if harm == "altered":
        (folder / "codecs.json").write_text("{}")
    if harm == "added":
        (folder / "more.py").write_text("print('hello')")
    with pytest.raises(ArtifactError):
        import_bundle(store, folder)
    assert not list((store.root / "bundle").glob("*"))


def test_the_newest_evaluation_of_a_bundle_is_found(store):
    bundle = make(store, "bundle", 1)
    assert find_evaluation(store, bundle.digest) is None
    make(store, "evaluation", 1, {"bundle": bundle.digest})
    make(store, "evaluation", 2, {"bundle": digest("another")})
    newest = make(store, "evaluation", 3, {"bundle": bundle.digest})
    assert find_evaluation(store, bundle.digest) == newest


def test_the_command_brings_a_bundle_in_and_says_how_to_use_it(store, tmp_path, capsys):
    bundle = make(Store(tmp_path / "elsewhere"), "bundle", 1, change=write_models)
    assert main([str(bundle.path), "--store", str(store.root)]) == 0
    assert f"--model {bundle.digest[:16]}\n" in capsys.readouterr().out
    assert find_bundle(store, bundle.digest[:12]).bundle.digest == bundle.digest


def test_the_command_refuses_what_is_no_bundle_without_a_traceback(store, tmp_path, capsys):
    assert main([str(tmp_path), "--store", str(store.root)]) == 2
    assert capsys.readouterr().err.startswith(f"refused: {tmp_path} is not an artifact")
