"""The slips that are put into terminal commands."""

from __future__ import annotations

from course.proof.mutants.terminal import terminal_mutants


def mutants(*lines: str) -> dict[str, str]:
    """Each mutant's commands, on one line, with what was done."""
    source = "\n".join(["%%terminal office --name answer", "### BEGIN SOLUTION", *lines, "### END SOLUTION"])
    found = terminal_mutants(source)
    assert all(mutant.source.startswith("%%terminal office --name answer\n### BEGIN") for mutant in found)
    return {"; ".join(mutant.source.splitlines()[2:-1]): mutant.description for mutant in found}


def test_lines_are_dropped_and_swapped() -> None:
    assert mutants("cd orders", "", "ls", "pwd") == {
        "; ls; pwd": "line dropped",
        "cd orders; ; pwd": "line dropped",
        "cd orders; ; ls": "line dropped",
        "ls; ; cd orders; pwd": "two lines swapped",
        "cd orders; ; pwd; ls": "two lines swapped",
    }


def test_options_levels_and_last_parts_are_dropped() -> None:
    assert mutants("ls -a") == {"": "line dropped", "ls": "option dropped"}
    assert mutants("dir -Force x") == {"": "line dropped", "dir x": "option dropped"}
    assert mutants("cd ../../orders/2026") == {
        "": "line dropped",
        "cd ../orders/2026": "one .. dropped",
        "cd ../../orders": "last part of a path dropped",
    }
    assert mutants(r"cd ..\..") == {"": "line dropped", "cd ..": "one .. dropped"}


def test_the_same_mutant_comes_once_and_shows_what_changed() -> None:
    found = terminal_mutants("%%terminal office\ncd ..\ncd ..")
    assert [mutant.source for mutant in found] == ["%%terminal office\ncd .."]
    assert found[0].diff == "- cd .."
    assert terminal_mutants("%%terminal office\n") == []
