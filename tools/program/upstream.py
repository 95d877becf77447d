"""From the first bad value of a program back to the features, rows and values, or to the weight, that made it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tools.program import blame
from tools.program.badness import Badness
from tools.program.batch import Batch
from tools.program.calls import draws_random
from tools.program.causes import Cause, Trace, WeightCause
from tools.program.company import explain_company, mixing_node, spreads
from tools.program.explanation import Explained, explain, join, like_examined
from tools.program.interpreter import RunFailed
from tools.program.origin import Origin
from tools.program.suspects import Case, suspects
from tools.program.targets import reaching
from tools.program.trials import Trials
from tools.program.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.interpreter import Interpreter

__all__ = ["Cause", "Trace", "WeightCause", "trace"]

MOST_ROWS = 32
"""How many bad rows are examined one by one at a time; the others are tried with the fixes found for these."""
MOST_TURNS = 3
"""How often more rows are examined, where the fixes that were found do not mend the others."""

_NO_CULPRIT = (
    "the rows are bad together, and no row or feature was found that makes them so: the operator that mixes rows may "
    "have nothing to go by in them, such as rows that are all the same. More varied rows would settle it"
)


def trace(interpreter: "Interpreter", inputs: Sequence["Tensor"], bad: Badness) -> Trace:
    """Find where the bad values of a batch begin, and what of its rows, or which weight, makes them.

    The inputs are as `Interpreter.run` takes them; the rows are never changed. What is bad and reaches no output of
    the model is noted, not accused. The answer does not depend on the order of the rows. Raises `RunFailed` where the
    program does not run on these inputs.
    """
    batch = Batch(interpreter.program, inputs)
    if batch.rows == 0:
        return Trace(bad.problem, unsettled=("the batch has no rows",))
    trials = Trials(interpreter, batch, bad)
    seen = trials.observe()
    reach = reaching(trials, seen)
    if not reach.targets:
        return Trace(bad.problem, absorbed=reach.absorbed, forwards=trials.forwards)
    case = suspects(trials, Units(batch, good=~reach.rows), seen, reach)
    try:
        found = _examine(case)
    except RunFailed as error:
        first = blame.commonest(blame.first_origins(case.found, case.bad.nonzero()[:, 0]))
        doubt = f"the rows do not run with features at their baseline: {error}"
        found = _trace(case, first, (), blame.bad_weights(case, ()), (), [doubt])
    if drawn := sorted({node.operator for node in interpreter.program.nodes if draws_random(node)}):
        doubt = f"the model draws random numbers ({', '.join(drawn)}): rows may turn good or bad by them"
        found = replace(found, unsettled=(*found.unsettled, doubt))
    every = tuple(reach.rows.nonzero()[:, 0].tolist())
    return replace(found, rows_bad=every, absorbed=reach.absorbed, forwards=trials.forwards)


def _examine(case: Case) -> Trace:
    rows = _by_content(case.trials.batch, case.bad)
    beside = _beside_others(case, rows[:MOST_ROWS])
    if beside is None and case.found and case.found[0].value in case.bad_weights:
        return _stays_bad(case)
    if beside or (beside is None and mixing_node(case) is not None):
        return _of_company(case, good_elsewhere=beside is True)
    explained, examined = _explain_all(case, rows)
    stays = beside is None and not bool(explained.healed.any())
    return replace(_stays_bad(case) if stays else _of_rows(case, explained), rows_examined=tuple(examined.tolist()))


def _beside_others(case: Case, rows: "Tensor") -> bool | None:
    """`company.spreads`; where the baseline of the columns makes no good row, a row that turned out good is taken."""
    good = ~case.bad
    try:
        beside = spreads(case, rows)
    except RunFailed:
        if not bool(good.any()):
            raise
        beside = None
    if beside is None and bool(good.any()):
        case.units.from_row(int(_by_content(case.trials.batch, good)[0]))
        beside = spreads(case, rows)
    return beside


def _by_content(batch: Batch, chosen: "Tensor") -> "Tensor":
    """The chosen rows (bool → indices) in an order that does not depend on where they stand in the batch."""
    import torch

    rows = chosen.nonzero()[:, 0].tolist()
    return torch.tensor(sorted(rows, key=batch.digest), dtype=torch.long)


def _explain_all(case: Case, rows: "Tensor") -> tuple[Explained, "Tensor"]:
    """Explain some rows, try their fixes on the others, and again. Answers also with the rows that were examined."""
    import torch

    parts, examined = [], []
    for _ in range(MOST_TURNS):
        examined.append(rows[:MOST_ROWS])
        parts.append(explain(case, rows[:MOST_ROWS]))
        others = like_examined(case, rows[MOST_ROWS:], parts[-1])
        parts.append(others.where(others.healed))
        rows = others.rows[~others.healed]
        if not len(rows):
            break
    return join(parts), torch.cat(examined)


def _of_rows(case: Case, explained: Explained) -> Trace:
    """Rows that are bad by themselves: each has its own causes."""
    mended = explained.where(explained.healed)
    causes = blame.named_causes(case, mended)
    known = mended.rows if len(mended.rows) else explained.rows
    origin = blame.commonest(blame.first_origins(case.found, known))
    bad, unsettled = int(case.bad.sum()), []
    if left := bad - len(mended.rows):
        unsettled.append(
            f"{left} of {bad} bad rows are not explained: they have more causes than are looked for, or other ones "
            "than the rows that were examined"
        )
    if more := int((~mended.reduced).sum()):
        unsettled.append(f"{more} rows have so many causes that it was not tried which of them can be spared")
    rows = tuple(sorted(mended.rows.tolist()))
    return _trace(case, origin, causes, blame.bad_weights(case, causes), rows, unsettled)


def _stays_bad(case: Case) -> Trace:
    """Rows that are bad with everything at baseline: a weight, or what the operator does with good values."""
    first = blame.commonest(blame.first_origins(case.found, case.bad.nonzero()[:, 0]))
    rows = tuple(case.bad.nonzero()[:, 0].tolist())
    if weights := blame.bad_weights(case, ()):
        return _trace(case, first, (), weights, rows, [])
    if first is None or first.node is None:
        return _trace(case, first, (), (), (), ["the rows stay bad with all features at their baseline"])
    read = blame.weights_of(case, first)
    if first.value in case.trials.varying and not case.units.have_baselines(case.trials.slice((first.value,)).inputs):
        names = ", ".join(weight.name for weight in read)
        doubt = (
            "no row is good, and features.json gives no baseline for the inputs: whether they or the weights"
            f"{f' ({names})' if names else ''} are to blame is not known. Columns with baselines would settle it, "
            "or rows from when the model was healthy"
        )
        return _trace(case, first, (), (), (), [doubt])
    if not read:
        doubt = (
            "the rows stay bad with all features at their baseline, and the operator reads no weight: see its constants"
        )
        return _trace(case, first, (), (), rows, [doubt])
    return replace(_trace(case, first, (), read, rows, []), origin="weight")


def _of_company(case: Case, good_elsewhere: bool) -> Trace:
    """Rows that spoil other rows, through an operator that mixes them. `good_elsewhere`: a bad row was seen good beside
    other rows."""
    explained = explain_company(case)
    mixes = mixing_node(case)
    rows = tuple(case.bad.nonzero()[:, 0].tolist())
    if explained is None:
        doubt = [] if good_elsewhere else [_NO_CULPRIT]
        answer = _trace(case, case.found[0] if case.found else None, (), (), rows, doubt)
        return replace(answer, origin="batch", mixes=mixes.index if mixes else None, company=rows)
    causes = blame.named_causes(case, explained)
    origin = blame.commonest(blame.first_origins(case.found, explained.rows))
    answer = _trace(case, origin, causes, blame.bad_weights(case, causes), rows, [])
    company = tuple(sorted(set(rows) - set(explained.rows.tolist())))
    return replace(answer, mixes=mixes.index if mixes else None, company=company)


def _trace(
    case: Case,
    origin: Origin | None,
    causes: tuple[Cause, ...],
    weights: tuple[WeightCause, ...],
    explained: tuple[int, ...],
    unsettled: Sequence[str],
) -> Trace:
    reader = blame.first_reader(case, origin) if origin is not None else None
    return Trace(
        problem=case.trials.bad.problem,
        origin=_kind(case, origin),
        node=reader.index if reader is not None else None,
        causes=causes,
        weights=weights,
        rows_explained=explained,
        unsettled=tuple(unsettled),
    )


def _kind(case: Case, origin: Origin | None) -> Literal["input", "weight", "operator"] | None:
    if origin is None:
        return None
    if origin.node is not None:
        return "operator"
    return "weight" if origin.value in case.bad_weights else "input"
