"""What the output of one program of a run means."""

import pytest

from bench.dataplane import stages

HOLDS = "BAR a ours=1 peer=- ratio=- bar=ours<=2 holds=yes"
FAILS = "BAR b ours=3 peer=- ratio=- bar=ours<=2 holds=no"


def test_its_bars_are_kept_and_other_lines_are_not() -> None:
    outcome = stages.outcome("bench.x", ["a table", HOLDS, "BARELY"], 0)
    assert outcome == stages.Outcome(lines=(HOLDS,), doubts=())


def test_bars_that_do_not_hold_explain_an_exit_status() -> None:
    assert stages.outcome("bench.x", [HOLDS, FAILS], 1).doubts == ()


@pytest.mark.parametrize(
    ("printed", "status", "doubts"),
    [
        ([HOLDS], 2, ("bench.x ended with status 2",)),
        ([HOLDS], -9, ("bench.x ended with status -9",)),
        ([], 0, ("bench.x measured nothing",)),
        ([], 1, ("bench.x ended with status 1",)),
        ([HOLDS, "UNSOUND it was loud"], 1, ("it was loud",)),
    ],
)
def test_what_nothing_explains_is_doubted(
    printed: list[str], status: int, doubts: tuple[str, ...]
) -> None:
    assert stages.outcome("bench.x", printed, status).doubts == doubts


def test_all_that_a_program_prints_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = stages.run("timeit", ["-n", "1", "-r", "1", "pass"])
    assert "loop" in capfd.readouterr().out
    assert outcome.doubts == ("timeit measured nothing",)
