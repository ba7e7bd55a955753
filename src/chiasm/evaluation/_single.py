"""One image, one model: reasoning, answer, stage probabilities, and where the model says it sees something."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chiasm.case import Laterality, View
from chiasm.errors import Unanswerable
from chiasm.evaluation._chat_model import ChatModel
from chiasm.evaluation._model import Model
from chiasm.evaluation._question import Picture, Question
from chiasm.evaluation._real import STAGES, stage_key, stage_prompt
from chiasm.measure import Stage, familiarity, measure_image
from chiasm.questions import parse_answer, reasoning_of
from chiasm.questions.reading import Claim, claims

SECTOR_COLOURS = {
    "capillary dropout": (255, 160, 40),
    "microaneurysm": (255, 70, 70),
    "intraretinal microvascular abnormality": (90, 200, 255),
    "neovascularization": (200, 120, 255),
}
_DIRECTIONS = ("right", "upper right", "upper", "upper left", "left", "lower left", "lower", "lower right")


@dataclass(frozen=True, eq=False)
class ImageAnswer:
    """What a model says about one image.

    Attributes:
        pixels: (H, W) uint8, what the model saw.
        reply: Its whole text; of a picture that is not like en face OCTA, why it was not asked.
        reasoning: The part inside the think tags.
        stage: Its answer; where the model can be asked directly, by the probabilities: healthy only where that is likelier than
            all other stages together. None where it names none, or says that it cannot be judged.
        told: The stage in which its words end; None likewise.
        judged: False where it says that the image cannot be judged, or is not asked: the picture is not like en face OCTA.
        probabilities: Of each stage as the answer, asked directly where the model can be, otherwise after its own reasoning;
            empty where the model gives none.
        findings: What its text claims, read back.
    """

    pixels: NDArray[np.uint8]
    reply: str
    reasoning: str
    stage: str | None
    told: str | None
    judged: bool
    probabilities: dict[str, float]
    findings: tuple[Claim, ...]

    @property
    def doubt(self) -> str:
        """What to say where answer and words differ; empty where they agree."""
        if not self.judged or self.stage == self.told:
            return ""
        return f"Its words end at {self.told or 'no stage'}, its direct answer is {self.stage}: do not trust the words."

    @property
    def any_retinopathy(self) -> float | None:
        """Probability of any stage but healthy; None where none is known."""
        healthy = self.probabilities.get(Stage.HEALTHY.value)
        return None if healthy is None else 1 - healthy / sum(self.probabilities.values())

    def to_json(self) -> dict[str, Any]:
        """Everything but the pixels, as plain JSON."""
        return {
            "stage": self.stage,
            "stage_in_words": self.told,
            "judged": self.judged,
            "probabilities": self.probabilities,
            "any_retinopathy": self.any_retinopathy,
            "reasoning": self.reasoning,
            "findings": [{"subject": c.subject, "attribute": c.attribute, "value": c.value} for c in self.findings],
            "reply": self.reply,
        }


def answer_image(
    model: Model, pixels: NDArray[np.uint8], fov_mm: float | None = None, laterality: Laterality = Laterality.UNKNOWN
) -> ImageAnswer:
    """Ask a model for the stage of a picture, unless its statistics are not those of en face OCTA (`measure.familiarity`).

    Asked whether a picture is OCTA, a small model is wrong too often, and its words are less to be trusted than its direct
    answer: what is absent has few wordings and what is present many, so the likeliest words tend to deny (docs/log.md).

    Args:
        model: See `load_model`.
        pixels: (H, W) uint8.
        fov_mm: Side of the field [mm]; the question states it where it is known.
        laterality: Which eye, so that "nasal" can be read.

    Raises:
        Unanswerable: The model gave no reply; the cause is named.
    """
    like = familiarity(pixels)
    if not like.is_octa:
        return ImageAnswer(
            pixels=pixels,
            reply=str(like),
            reasoning=f"The picture is {like}.",
            stage=None,
            told=None,
            judged=False,
            probabilities={},
            findings=(),
        )
    pitch = None if fov_mm is None else fov_mm / pixels.shape[1]
    view = View(
        view_id="image",
        modality="OCTA en face",
        pixels=pixels,
        spacing_mm=(pitch, pitch),
        laterality=laterality,
        attributes={"slab": "inner retina"},
    )
    text, probabilities = _asked(model, view)
    parsed = parse_answer(text, stage_key()).tolerant.answer
    told = stage = getattr(parsed, "value", None)
    direct = model.directly() if isinstance(model, ChatModel) else None
    judged = getattr(parsed, "kind", "") != "unjudged"
    if direct is not None and judged:
        _, probabilities = _asked(direct, view)
        stage = _decided(probabilities)
    reasoning = reasoning_of(text)
    return ImageAnswer(
        pixels=pixels,
        reply=text,
        reasoning=reasoning,
        stage=stage,
        told=told,
        judged=judged,
        probabilities=probabilities,
        findings=claims(reasoning, laterality.value).claims,
    )


def _asked(model: Model, view: View) -> tuple[str, dict[str, float]]:
    """What the model writes about the stage, and the probability of each stage where it gives any."""
    picture = Picture.from_array(view.pixels)
    question = Question(question_id="image", prompt=stage_prompt(view), pictures=(picture,), options=STAGES)
    (reply,) = model.answer([question])
    if reply.text is None:
        msg = f"{model.name} gave no answer: {reply.problem}"
        raise Unanswerable(msg)
    return reply.text, dict(reply.scores or {})


def _decided(probabilities: dict[str, float]) -> str:
    """Healthy where that is likelier than all other stages together, else the likeliest of those: first whether, then which."""
    healthy = Stage.HEALTHY.value
    ill = {name: share for name, share in probabilities.items() if name != healthy}
    return healthy if probabilities[healthy] >= sum(ill.values()) else max(ill, key=lambda name: ill[name])


def draw_answer(answer: ImageAnswer, fov_mm: float | None = None) -> NDArray[np.uint8]:
    """The image with the sectors in which the model says it sees something, and its words beside it.

    Returns:
        (H', W', 3) uint8.
    """
    factor = max(1, round(720 / max(answer.pixels.shape)))
    grey = Image.fromarray(answer.pixels).resize(
        (answer.pixels.shape[1] * factor, answer.pixels.shape[0] * factor), Image.Resampling.BICUBIC
    )
    page = Image.new("RGB", (grey.width + 560, max(grey.height, 480)), (18, 18, 22))
    page.paste(grey.convert("RGB"), (0, 0))
    draw = ImageDraw.Draw(page, "RGBA")
    _draw_sectors(draw, answer, grey.size, _fovea(answer.pixels, fov_mm))
    _write(draw, answer, (grey.width + 24, 20))
    return np.asarray(page)


def _fovea(pixels: NDArray[np.uint8], fov_mm: float | None) -> tuple[float, float]:
    """(row, col) of the measured FAZ as shares of the image; its middle where none is found."""
    shape = measure_image(pixels, fov_mm).faz_shape
    if shape is None:
        return 0.5, 0.5
    return shape.centroid[0] / pixels.shape[0], shape.centroid[1] / pixels.shape[1]


def _draw_sectors(
    draw: ImageDraw.ImageDraw, answer: ImageAnswer, size: tuple[int, int], fovea: tuple[float, float]
) -> None:
    row, col = fovea[0] * size[1], fovea[1] * size[0]
    told = [c for c in answer.findings if c.attribute.endswith("sector") and c.value in _DIRECTIONS]
    for i, claim in enumerate(dict.fromkeys((c.subject, str(c.value)) for c in told)):
        subject, sector = claim
        colour = SECTOR_COLOURS.get(subject, (220, 220, 120))
        radius = min(size) * (0.47 - 0.03 * (i % 3))
        middle = -45.0 * _DIRECTIONS.index(sector)
        box = (col - radius, row - radius, col + radius, row + radius)
        draw.arc(box, middle - 20, middle + 20, fill=(*colour, 255), width=5)
        x = col + (radius - 26) * math.cos(math.radians(middle))
        y = row + (radius - 26) * math.sin(math.radians(middle))
        draw.text((x, y), subject, fill=(*colour, 255), font=ImageFont.load_default(15), anchor="mm")


def _write(draw: ImageDraw.ImageDraw, answer: ImageAnswer, corner: tuple[int, int]) -> None:
    x, y = corner
    head = answer.stage or ("no stage named" if answer.judged else "cannot be judged")
    draw.text((x, y), head, fill=(255, 255, 255), font=ImageFont.load_default(26))
    y += 46
    for stage, share in answer.probabilities.items():
        draw.rectangle((x + 110, y + 3, x + 110 + int(300 * share), y + 15), fill=(90, 160, 255))
        draw.text((x, y), stage, fill=(200, 200, 200), font=ImageFont.load_default(15))
        draw.text((x + 420, y), f"{share:.0%}", fill=(200, 200, 200), font=ImageFont.load_default(15))
        y += 24
    y += 16
    for line in (*textwrap.wrap(answer.reasoning, 64), "", *textwrap.wrap(answer.doubt, 64)):
        draw.text((x, y), line, fill=(230, 230, 230), font=ImageFont.load_default(15))
        y += 21
    draw.text(
        (x, y + 12), "A research model, not a medical device.", fill=(150, 150, 150), font=ImageFont.load_default(13)
    )
