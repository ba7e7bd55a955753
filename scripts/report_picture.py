"""Make the picture of a report in the documentation: synthetic eyes, and answers that are wrong on every tenth item.

    chiasm build octa --n 46 --seed 5 --fov-mm 3 --set questions=26 --out out/many
    python scripts/report_picture.py out/many train

Needs Debian's chromium and the extra `dev`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from chiasm.evaluation import EvaluationOptions, Exam, Question, Reply, evaluate, load_exam, make_exam
from chiasm.questions import write_answer

TASKS = ("explain-stage", "dropout-present", "microaneurysm-present", "faz-size")
TARGET = Path(__file__).parents[1] / "docs" / "pictures" / "report.png"
WIDTH, HEIGHT = 1240, 1500


class NineInTen:
    """Gives the right answer, but on every tenth item another."""

    name = "right on nine of ten"

    def __init__(self, exam: Exam) -> None:
        self._items = {item.item_id: (place, item) for place, item in enumerate(exam.items)}

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply a question, with probabilities."""
        replies = []
        for question in questions:
            place, item = self._items[question.question_id]
            right = write_answer(item.key.answer)
            others = [o for o in question.options if o != right]
            said = others[place % len(others)] if place % 10 == 9 else right
            scores = {o: 0.85 if o == said else 0.15 / len(others) for o in question.options}
            replies.append(Reply(f"<think>{item.reasoning}</think><answer>{said}</answer>", scores))
        return replies


def main(data: str, split: str) -> None:
    """Evaluate, open the report in Chromium, keep its top."""
    whole = load_exam(data, split=split)
    exam = make_exam(whole.name, [i for i in whole.items if i.task in TASKS], [])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        evaluate([NineInTen(exam)], [exam], folder, EvaluationOptions(quiet=True))
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"], timeout=300_000
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((Path(folder) / "report.html").as_uri(), timeout=300_000)
        page.screenshot(path=TARGET, timeout=300_000)
        browser.close()
    if said:
        sys.exit(f"the page complains: {said}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
