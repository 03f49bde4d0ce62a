"""`sinkwell doctor` and `sinkwell iam-policy`, with a stranger's sink."""

from collections.abc import Callable
from pathlib import Path

import moody_sink
import msgspec
import pytest
from click.testing import CliRunner, Result
from instances import SECRET

from sinkwell.cli import main

Run = Callable[..., Result]

SETTINGS = """
data_dir = "data"
[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]
[sinks.archive]
type = "moody"
root = "files"
mood = "mood"
timeout = 1
[sinks.mirror]
type = "local"
root = "mirror"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command beside a settings file with a moody sink, which is well."""
    (tmp_path / "sinkwell.toml").write_text(SETTINGS)
    (tmp_path / "mood").write_text("well")
    moody_sink.install(tmp_path / "installed")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.setenv("SHOTBOT_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [*arguments, "--config", "sinkwell.toml"])


def test_an_examination_says_how_each_thing_stands_and_what_to_do(run: Run) -> None:
    done = run("doctor", "moody", "archive")

    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("✓ sink archive  keeps its notes in ")
    assert lines[1:] == [
        "! sink archive  moods are not kept",
        "    keep them",
        "? sink archive  not permitted to see: how it slept",
        "    ask it",
        "- sink archive  not offered here: smiles",
    ]


def test_an_examination_that_finds_a_failure_ends_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mood").write_text("broken")

    done = run("doctor", "moody", "archive", "--json")

    assert done.exit_code == 1
    findings = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    levels = ["ok", "warning", "not permitted", "not offered", "failed"]
    assert [found["level"] for found in findings] == levels
    assert findings[-1] == {
        "area": "sink archive",
        "level": "failed",
        "what": "it is broken",
        "advice": "mend it",
    }


@pytest.mark.parametrize(
    ("mood", "said"), [("hang", "no answer within 1 s"), ("fail", "sink 'archive': it is busy")]
)
def test_an_examination_that_cannot_be_done_ends_with_1_and_says_why(
    run: Run, tmp_path: Path, mood: str, said: str
) -> None:
    (tmp_path / "mood").write_text(mood)

    done = run("doctor", "moody", "archive")

    assert (done.exit_code, done.stdout) == (1, f"✗ sink archive  {said}\n")


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        ("doctor moody archives", "there is no sink 'archives' in the settings: did you mean 'ar"),
        ("doctor moody x", "there is no sink 'x' in the settings: there are archive, mirror"),
        ("doctor local archive", "of type 'moody', not 'local': sinkwell doctor moody archive"),
        ("doctor local mirror", "sinks of type 'local' cannot be examined, those of these types"),
        ("iam-policy archives", "did you mean 'archive'?"),
        ("iam-policy mirror", "sinks of type 'local' have no policy to print"),
    ],
)
def test_a_call_for_what_there_is_not_ends_with_2_and_says_what_there_is(
    run: Run, call: str, cure: str
) -> None:
    done = run(*call.split())

    assert (done.exit_code, done.stdout) == (2, "")
    assert cure in done.stderr


def test_a_policy_is_all_that_goes_to_standard_output(run: Run) -> None:
    done = run("iam-policy", "archive")

    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout) == {"Write": "files"}
    assert done.stderr == "Write: to put files there\n"


def test_each_sink_has_a_directory_that_only_its_owner_can_enter(run: Run, tmp_path: Path) -> None:
    done = run("check")

    assert "✗ sink" not in done.stdout
    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data/sinks").iterdir()}
    assert made == {"archive": 0o700, "mirror": 0o700}


def test_a_directory_that_cannot_be_made_is_told_and_pauses_the_sink(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sinks").write_text("in the way")

    done = run("check")

    assert done.exit_code == 1
    assert "sink 'archive': its directory" in done.stdout
    assert "cannot be made: Not a directory" in done.stdout
