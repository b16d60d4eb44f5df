"""What a command shows at a terminal before it has anything to say."""

import re

import pytest

from tests.helpers.terminal import at_a_terminal

pytestmark = pytest.mark.seconds
# Begins as a command does, then does nothing for a while, says something, and nothing again.
SAYS = """
import sys, time
from flows._cli import sign_of_life
sign_of_life.begin("night")
time.sleep(0.4)
print("first", file=sys.stderr)
time.sleep(0.3)
print("second", file=sys.stderr)
sign_of_life.end()
"""


def test_a_spinner_says_what_starts_until_something_else_is_said():
    shown = at_a_terminal(["-c", SAYS])
    before, _, after = shown.partition("first")
    assert len(re.findall(r"\r\x1b\[K\S night: starting, 0 s", before)) >= 2
    assert before.endswith("\r\x1b[K")  # what is said begins on a clean line
    assert after == "\r\nsecond\r\n"


@pytest.mark.parametrize(("words", "environment"), [(["--quiet"], {}), (["--help"], {}), ([], {"TERM": "dumb"})])
def test_who_wants_nothing_of_it_sees_nothing_of_it(words, environment):
    assert at_a_terminal(["-c", SAYS, *words], **environment) == "first\r\nsecond\r\n"


def test_no_file_ever_holds_it(start_python):
    _, said = start_python(SAYS).communicate(timeout=60)
    assert said == "first\nsecond\n"


def test_a_command_shows_it_before_it_has_computed_for_a_second(tmp_path):
    code = (
        "import sys, time; began = time.process_time(); sys.argv = ['x', '--dry-run', '--data.n_in', 'none'];"
        "from flows._cli import sign_of_life; begin = sign_of_life.begin;"
        "sign_of_life.begin = lambda what: (begin(what), print(f'after {time.process_time() - began:.3f}'));"
        "from flows._cli.start import start; print(start('generate_datasets', needs_server=True))"
    )
    shown = at_a_terminal(["-c", code], PREFECT_HOME=str(tmp_path), PREFECT_API_URL=None)
    assert float(re.search(r"after ([\d.]+)", shown)[1]) < 1
    assert "generate_datasets: starting" in shown
    assert "refused: data.n_in" in shown
    assert shown.rstrip().endswith("2")
