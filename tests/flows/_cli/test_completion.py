"""What a shell completes, asked of a bash that has read the script."""

import subprocess

import pytest

from flows.__main__ import all_commands, main

pytestmark = pytest.mark.seconds


@pytest.fixture
def complete(tmp_path, capsys):
    """The words that bash proposes for the last word of a command line."""
    assert main(["completion"]) == 0
    (tmp_path / "completion.sh").write_text(capsys.readouterr().out)

    def complete(*words):
        listed = " ".join(f"'{word}'" for word in words)
        code = f"""source completion.sh
COMP_WORDS=({listed}) COMP_CWORD={len(words) - 1}
_nightly_seq2seq
printf '%s\\n' "${{COMPREPLY[@]}}"
complete -p python >&2"""
        done = subprocess.run(["bash", "-uc", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "-F _nightly_seq2seq python" in done.stderr
        return done.stdout.split()

    return complete


def test_commands_are_completed_after_m(complete):
    assert complete(".venv/bin/python", "-m", "flows.pr") == ["flows.predict_lines", "flows.promotions"]
    assert len(complete("python", "-m", "flows.")) == len(all_commands())


def test_flags_are_completed_with_those_of_sections(complete):
    assert complete("python", "-m", "flows.train_and_eval", "--training.ep") == ["--training.epochs"]
    assert complete("python", "-m", "flows.batch_predict", "inbox", "--dry") == ["--dry-run"]
    assert complete("python", "-m", "flows.store", "--he") == ["--help", "--help-all"]


def test_values_of_few_words_are_completed_after_their_flag(complete):
    assert complete("python", "-m", "flows.train_and_eval", "--data.target-encoding", "w") == ["words"]


def test_whatever_else_is_left_to_the_shell(complete):
    assert complete("python", "other.py", "--da") == []
    assert complete("python", "-m", "json.tool", "--da") == []
    assert complete("python", "-m", "flows.train_and_eval", "--data.train", "pairs") == []
    assert complete("python", "-m", "flows.batch_predict", "inb") == []
