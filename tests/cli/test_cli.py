import pytest

from chiasm.cli import build_parser, main
from chiasm.errors import MissingExtra, UnknownName, require


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(list(words))
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_no_command_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 0
    assert "A first tour" in out


def commands() -> list[str]:
    parser = build_parser()
    return sorted(next(a.choices for a in parser._actions if a.choices))  # type: ignore[arg-type]


@pytest.mark.parametrize("command", commands())
def test_every_command_teaches(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert "Example" in out
    assert f"chiasm {command}" in out


def test_unknown_option_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "doctor", "--jsno")
    assert status == 2
    assert "did you mean --json?" in err


def test_doctor_reports_versions(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "doctor")
    assert status == 0
    assert "numpy" in out
    assert "devices" in out


def test_missing_extra_is_named() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'chiasm\[web\]'"):
        require("no_such_module_at_all", "web")


def test_unknown_name_suggests() -> None:
    assert UnknownName("stage", "erly-npdr", ["healthy", "early-npdr"]).suggestion == "early-npdr"


def test_build_lists_every_preset_and_every_export_has_a_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    from chiasm.cli._dataset import _USES
    from chiasm.corpus import EXPORTS, PRESETS
    from chiasm.evaluation.interop import HARNESSES

    _, out, _ = run(capsys, "build", "--help")
    assert [name for name in PRESETS if f"  {name} " not in out] == []
    assert set(_USES) == {*EXPORTS, *HARNESSES}
