"""The tables of docs/questions.md, made from the registry so that they cannot go stale."""

from __future__ import annotations

from chiasm.questions._program import programs
from chiasm.questions._scales import scales

STAGE_ORDER = ("recognition", "measurement", "visual reasoning", "medical reasoning")


def programs_table() -> str:
    """Every program as a row of a Markdown table, by stage."""
    lines = ["| program | stage | answer | forms | asks |", "|---|---|---|---|---|"]
    known = sorted(programs().values(), key=lambda p: (STAGE_ORDER.index(p.stage), p.name))
    for program in known:
        views = f" ({program.pair})" if program.pair else ""
        forms = ", ".join(program.forms)
        lines.append(f"| `{program.name}` | {program.stage} | {program.expects} | {forms} | {program.about}{views} |")
    return "\n".join(lines)


def scales_table() -> str:
    """Every scale of adjectives as a row of a Markdown table."""
    lines = ["| scale | quantity | borders | labels | source |", "|---|---|---|---|---|"]
    for name, scale in scales().items():
        if not name.startswith("bins "):
            borders = ", ".join(f"{cut:g}" for cut in scale.cuts)
            lines.append(
                f"| {name} | {scale.quantity} [{scale.unit}] | {borders} | {', '.join(scale.labels)} | {scale.source} |"
            )
    return "\n".join(lines)
