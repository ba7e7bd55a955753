"""The order of training, drawn once from a seed: which rows make each conversation of each step.

Because the whole order is a table made before the first step, it does not depend on workers or devices, and a resumed
run continues at the very next conversation.

1. Rows that show the same images form a group; a conversation asks up to `turns` of a group's questions.
2. Without a mixture every row comes once per pass. With one, every group comes once per pass, and its questions are drawn
   without replacement, each with its program's weight divided by how many rows the program has. To balance stages, groups
   of stages that are too frequent are left out of a pass at random.
3. Conversations of similar length are put into the same batch (within windows of 32 batches), to pad little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import numpy.typing as npt

from chiasm.errors import InvalidInput, UnknownName
from chiasm.training._config import DataTable, OptimTable
from chiasm.training._rows import RowIndex

WINDOW_BATCHES: Final = 32


@dataclass(frozen=True)
class Plan:
    """The order of one run.

    Attributes:
        conversations: For each conversation in order the rows that make it.
        steps: Optimiser steps.
        direct: For each conversation the share of its answers that are taught without reasoning.
        left_out: Programs of the mixture that the dataset has no row of.
    """

    conversations: tuple[tuple[int, ...], ...]
    steps: int
    direct: tuple[float, ...]
    left_out: tuple[str, ...] = ()


def make_plan(index: RowIndex, data: DataTable, optim: OptimTable, *, devices: int = 1) -> Plan:
    """Draw the order of a run.

    Args:
        index: The dataset's rows.
        data: Mixture or curriculum, and turns.
        optim: Batch, accumulation, length and seed.
        devices: Processes that train together.
    """
    mixtures = (
        [(1.0, data.mixture, ())] if not data.curriculum else [(s.share, s.mixture, s.forms) for s in data.curriculum]
    )
    left_out = sorted({name for _, mixture, _ in mixtures for name in mixture or () if not _rows_of(index, name).any()})
    if left_out and data.missing == "refuse":
        known = {str(name) for name in (*index.program, *index.level) if name}
        raise UnknownName("program or level in the mixture", left_out[0], known)
    known_forms = {str(form) for form in index.form if form}
    for form in (form for _, _, forms in mixtures for form in forms if form not in known_forms):
        raise UnknownName("form in the curriculum", form, known_forms)
    weights = [
        (share, None if mixture is None else _row_weights(index, mixture, forms)) for share, mixture, forms in mixtures
    ]
    per_step = optim.batch * optim.accumulate * devices
    steps = optim.steps if optim.steps is not None else _steps_of(index, data, weights, optim, per_step)
    stops = np.rint(np.cumsum([share for share, _ in weights]) * steps).astype(int)
    conversations: list[tuple[int, ...]] = []
    direct: list[float] = []
    bare = [stage.direct for stage in data.curriculum] or [None]
    for number, ((_, row_weights), stop, share) in enumerate(zip(weights, stops, bare, strict=True)):
        rng = np.random.default_rng(np.random.SeedSequence(optim.seed, spawn_key=(7, number)))
        count = int(stop) * per_step - len(conversations)
        drawn = _draw(index, row_weights, data, count, rng)
        conversations.extend(_by_length(drawn, index, optim.batch * devices, rng))
        direct.extend([data.direct if share is None else share] * count)
    return Plan(tuple(conversations), steps, tuple(direct), tuple(left_out))


def _row_weights(index: RowIndex, mixture: dict[str, float], forms: Sequence[str]) -> npt.NDArray[np.float64]:
    """(n,) weight of each row, >= 0: its program's weight shared among the program's rows of these forms; none named: of all."""
    weights = np.zeros(len(index))
    asked = np.isin(index.form, forms) if forms else np.ones(len(index), dtype=np.bool_)
    for name, weight in mixture.items():
        hit = _rows_of(index, name) & asked
        weights += hit * (weight / max(int(hit.sum()), 1))
    return weights


def _rows_of(index: RowIndex, name: str) -> npt.NDArray[np.bool_]:
    """(n,) the rows of a level, of a program, or of the programs that a pattern fits."""
    if name in index.level:
        return np.asarray(index.level == name)
    fitting = [program for program in np.unique(index.program) if fnmatchcase(str(program), name)]
    return np.asarray(np.isin(index.program, fitting))


def _steps_of(
    index: RowIndex,
    data: DataTable,
    weights: list[tuple[float, npt.NDArray[np.float64] | None]],
    optim: OptimTable,
    per_step: int,
) -> int:
    """Steps that make up the asked number of passes."""
    assert optim.epochs is not None
    if weights[0][1] is None:
        _, counts = np.unique(index.group, return_counts=True)
        one_pass = int(np.ceil(counts / data.turns).sum())
    else:
        used = sum(row_weights for _, row_weights in weights if row_weights is not None)
        one_pass = len(np.unique(index.group[np.asarray(used) > 0]))
    return max(1, round(one_pass * optim.epochs / per_step))


def _draw(
    index: RowIndex, weights: npt.NDArray[np.float64] | None, data: DataTable, count: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    rows_of = _members(index.group, weights)
    if not rows_of and count:
        msg = "the mixture leaves no row to train on"
        raise InvalidInput(msg)
    first = [rows[0] for rows in rows_of]
    chances = _chances(index.stage[first], [index.sizes[row] for row in first], data.balance)
    out: list[tuple[int, ...]] = []
    while len(out) < count:
        kept = rows_of if chances is None else [rows_of[k] for k in np.flatnonzero(rng.random(len(rows_of)) < chances)]
        out.extend(_one_pass(kept, weights, data.turns, rng))
    return out[:count]


def _chances(
    stages: npt.NDArray[np.str_], sizes: Sequence[object], balance: dict[str, float]
) -> npt.NDArray[np.float64] | None:
    """(groups,) chance of each group to come in a pass, so that stages get their shares; 1 for the rarest beside its share.

    The shares hold among images of each size that comes with every stage, so of each field of view (else the size would
    foretell the stage), and among all others together.
    """
    if not balance:
        return None
    for odd in sorted(set(stages.tolist()) ^ set(balance)):
        raise UnknownName(
            "stage in the balance" if odd in balance else "stage of the dataset", odd, {*balance, *stages.tolist()}
        )
    out = np.ones(len(stages))
    members: dict[object, list[int]] = {}
    for number, size in enumerate(sizes):
        members.setdefault(size, []).append(number)
    whole = [here for here in members.values() if set(stages[here].tolist()) == set(balance)]
    rest = sorted(set(range(len(stages))).difference(*whole))
    for here in [*whole, rest] if rest else whole:
        names, place, counts = np.unique(stages[here], return_inverse=True, return_counts=True)
        odds = np.asarray([balance[name] for name in names.tolist()]) / counts
        out[here] = (odds / odds.max())[place]
    return out


def _members(group: npt.NDArray[np.int64], weights: npt.NDArray[np.float64] | None) -> list[npt.NDArray[np.int64]]:
    """The usable rows of each group."""
    kept = np.arange(len(group)) if weights is None else np.flatnonzero(weights > 0)
    if not len(kept):
        return []
    order = kept[np.argsort(group[kept], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _one_pass(
    rows_of: list[npt.NDArray[np.int64]], weights: npt.NDArray[np.float64] | None, turns: int, rng: np.random.Generator
) -> Iterator[tuple[int, ...]]:
    passes: list[tuple[int, ...]] = []
    for members in rows_of:
        if weights is None:
            mixed = rng.permutation(members)
            passes.extend(tuple(mixed[start : start + turns].tolist()) for start in range(0, len(mixed), turns))
        else:
            keys = np.log(weights[members]) + rng.gumbel(size=len(members))
            passes.append(tuple(members[np.argsort(-keys)[:turns]].tolist()))
    for position in rng.permutation(len(passes)):
        yield passes[position]


def _by_length(
    drawn: list[tuple[int, ...]], index: RowIndex, batch: int, rng: np.random.Generator
) -> Iterator[tuple[int, ...]]:
    lengths = [int(index.characters[list(rows)].sum()) for rows in drawn]
    for start in range(0, len(drawn), batch * WINDOW_BATCHES):
        window = range(start, min(start + batch * WINDOW_BATCHES, len(drawn)))
        order = sorted(window, key=lambda position: lengths[position])
        batches = [order[first : first + batch] for first in range(0, len(order), batch)]
        full = [entry for entry in batches if len(entry) == batch]
        rest = [entry for entry in batches if len(entry) < batch]
        for number in rng.permutation(len(full)):
            yield from (drawn[position] for position in full[number])
        for entry in rest:
            yield from (drawn[position] for position in entry)
