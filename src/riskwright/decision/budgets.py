"""`Budget`: how much of what may go wrong, how sure one wants to be, and for whom."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, Literal

from riskwright.core import ParameterError
from riskwright.evidence.schema import read_document
from riskwright.stats import Mean, TailMeasure, measure_named

from .losses import COMPLEMENTS, LOSSES, named_loss

__all__ = [
    "Budget",
    "checked_budget",
    "checked_budgets",
    "confidence",
    "read_budgets",
    "read_regimes",
]

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Budget:
    """A limit on a risk that a rule must keep on new data.

    Parameters
    ----------
    loss : str or callable
        "miss rate", "false alarm rate", "false discovery rate", "false omission rate",
        "error rate", "action rate", for rules that answer "error among accepted",
        "accepted errors", "abstention rate", or one of their usual other names (fnr, fpr, fdr,
        selective risk, ...); "cost", with `costs`; "loss" for a column or table of losses; or a
        function of (acted, y), boolean arrays, that returns losses in [0, bound] per row.
    limit : the largest risk allowed, in [0, bound].
    delta : float or None
        The largest probability, over the draw of the certifying data, that the rule breaks the
        limit. None asks for control in expectation (`Conformal`).
    measure : which feature of the distribution of losses is bounded: "mean", or by name or record
        "VaR 0.9", "CVaR 0.95", "Gini", ... (see `riskwright.stats.measure_named`).
    per : name of a grouping: the limit must hold in every group of it.
    weight : None, or "shift" where rows carry known importance weights from the data at hand to
        the population of use (`fit(..., sample_weight=, max_weight=)`).
    costs : of a "miss" and of a "false alarm", for `loss="cost"`.
    bound : the largest loss that can occur, 1 for shares; losses without bound are refused.

    Raises
    ------
    ParameterError : for a value out of range or an unknown name.

    Examples
    --------
    >>> budget = Budget.parse("precision >= 90% with 95% confidence per sex")
    >>> budget.loss, round(budget.limit, 6), round(budget.delta, 6), budget.per
    ('false discovery rate', 0.1, 0.05, 'sex')
    >>> print(Budget("miss rate", limit=0.05))
    miss rate <= 5% with 95% confidence
    """

    loss: str | Loss
    limit: float
    delta: float | None = 0.05
    measure: TailMeasure | str = "mean"
    per: str | None = None
    weight: Literal["shift"] | None = None
    costs: Mapping[str, float] | None = None
    bound: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.loss, str):
            object.__setattr__(self, "loss", named_loss(self.loss))
        else:
            _needs_function(self.loss)
        if isinstance(self.measure, str):
            object.__setattr__(self, "measure", measure_named(self.measure))
        if self.loss == "cost":
            self._set_costs()
        elif self.costs is not None:
            _refuse("costs", 'none unless loss="cost"', "costs")
        _number(self.bound, "bound", "a finite number above 0", lambda x: 0 < x < math.inf)
        if isinstance(self.loss, str) and self.loss in LOSSES and self.bound != 1:
            _refuse("bound", f"1, because the {self.loss} is a share", repr(self.bound))
        _number(self.limit, "limit", f"0 to {self.bound:g}", lambda x: 0 <= x <= self.bound)
        if self.delta is not None:
            _number(self.delta, "delta", "0 < delta < 1", lambda x: 0 < x < 1)
        if self.weight not in (None, "shift"):
            _refuse("weight", 'None or "shift"', repr(self.weight))
        if self.per is not None and not (isinstance(self.per, str) and self.per):
            _refuse("per", "the name of a grouping", repr(self.per))

    def _set_costs(self) -> None:
        costs = dict(self.costs or {})
        if set(costs) - {"miss", "false alarm"} or not costs:
            _refuse("costs", 'such as {"miss": 5, "false alarm": 1}', repr(self.costs))
        for name, cost in costs.items():
            _number(cost, f"costs[{name!r}]", "a finite number >= 0", lambda x: 0 <= x < math.inf)
        object.__setattr__(self, "costs", {k: float(v) for k, v in costs.items()})
        object.__setattr__(self, "bound", max(costs.values()))

    @property
    def name(self) -> str:
        """Of the loss."""
        return (
            self.loss
            if isinstance(self.loss, str)
            else getattr(self.loss, "__name__", type(self.loss).__name__)
        )

    @property
    def is_mean(self) -> bool:
        return isinstance(self.measure, Mean)

    @property
    def measure_name(self) -> str:
        """Of the measure, as `measure_named` reads it."""
        return self.measure if isinstance(self.measure, str) else self.measure.name

    @property
    def words(self) -> str:
        """What is bounded, as a noun."""
        if isinstance(self.loss, str) and self.loss in LOSSES:
            noun = LOSSES[self.loss].words
        elif self.loss == "cost":
            assert self.costs is not None
            parts = [f"{cost:g} for a {name}" for name, cost in self.costs.items()]
            noun = f"the cost per row ({', '.join(parts)})"
        else:
            noun = f"the loss {self.name!r}" if self.name != "loss" else "the loss"
        return noun if self.is_mean else f"the {self.measure_name} of {noun}"

    def __str__(self) -> str:
        measure = "" if self.is_mean else f"{self.measure_name} of "
        amount = _percent(self.limit) if self._is_share else f"{self.limit:.10g}"
        sure = "in expectation"
        if self.delta is not None:
            sure = f"with {confidence(self.delta)} confidence"
        per = f" per {self.per}" if self.per else ""
        return f"{measure}{self.name} <= {amount} {sure}{per}"

    @property
    def _is_share(self) -> bool:
        return self.is_mean and isinstance(self.loss, str) and self.loss in LOSSES

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a function is told by its name, and cannot be read back."""
        assert not isinstance(self.measure, str)
        return {
            "loss": self.name,
            "callable": not isinstance(self.loss, str),
            "limit": self.limit,
            "delta": self.delta,
            "measure": self.measure.to_dict(),
            "per": self.per,
            "weight": self.weight,
            "costs": dict(self.costs) if self.costs else None,
            "bound": self.bound,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Budget:
        """From what `to_dict` gives; a function comes back as the plain "loss"."""
        told = dict(values)
        loss = "loss" if told.pop("callable", False) else told.pop("loss")
        told.pop("loss", None)
        if isinstance(told.get("measure"), Mapping):
            told["measure"] = measure_named(told["measure"])
        if told.get("costs") is not None and loss != "cost":
            raise ParameterError("costs without a cost budget", where="costs")
        return cls(loss, **told)

    @classmethod
    def parse(cls, text: str) -> Budget:
        """A budget from a sentence such as "miss rate <= 5% with 95% confidence per sex".

        [measure of] loss, <= or >= (recall, precision, specificity, accuracy, coverage take >=),
        a number or percentage, then optionally "with C% confidence" (95 % where not said) or
        "in expectation", and "per GROUPING".
        """
        return _parsed(text)


def _needs_function(loss: Any) -> None:
    if not callable(loss):
        _refuse("loss", "a name or a function of (acted, y)", type(loss).__name__)


def _refuse(where: str, expected: str, got: str) -> None:
    raise ParameterError(
        "not allowed in a budget", where=f"Budget({where})", expected=expected, got=got
    )


def _number(value: Any, where: str, expected: str, allowed: Callable[[float], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not allowed(value):
        _refuse(where, expected, repr(value))


def _percent(share: float) -> str:
    return f"{100 * share:.10g}%"


def confidence(delta: float) -> str:
    """1 - delta in percent, never rounded up: "95%", "96.66%", or "99.9999999999%" for any tiny
    delta; two digits of delta, and two decimals at least."""
    most = Decimal(repr(max(delta, 1e-12)))
    step = Decimal(1).scaleb(min(-4, most.adjusted() - 1))
    most = most.quantize(step, rounding=ROUND_CEILING)
    return f"{(1 - most) * 100:f}".rstrip("0").rstrip(".") + "%"


_SENTENCE = re.compile(
    r"""^\s*
    (?:(?P<expected>expected|mean)\s+)?
    (?:(?P<measure>(?:var|cvar|gini|var_interval|smoothed_median|spectral|entropic|mean_variance)\b[^<>=≤≥]*?)\s+of\s+)?
    (?P<loss>[a-z][a-z _-]*?)\s*
    (?P<sign><=|>=|≤|≥|<|>|at\s+most|at\s+least|below|under|above)\s*
    (?P<number>[0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(?P<unit>%)?
    (?:\s*,?\s*with\s+(?P<confidence>[0-9]*\.?[0-9]+)\s*(?P<cunit>%)?\s*confidence)?
    (?P<expectation>\s*,?\s*in\s+expectation)?
    (?:\s*,?\s*(?:per|for\s+every|in\s+every)\s+(?P<per>\S.*?))?
    \s*\.?\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
_EXAMPLE = "such as 'miss rate <= 5% with 95% confidence' or 'precision >= 90% per sex'"


def _parsed(text: str) -> Budget:
    found = _SENTENCE.match(text)
    if found is None:
        raise ParameterError(
            "not a budget that can be read", where="budget", expected=_EXAMPLE, got=repr(text[:200])
        )
    at_least = found["sign"].lower() in (">=", "≥", ">", "above") or "least" in found["sign"]
    limit = float(found["number"]) / (100 if found["unit"] else 1)
    loss = " ".join(found["loss"].lower().replace("_", " ").replace("-", " ").split())
    if loss in COMPLEMENTS:
        if not at_least:
            raise ParameterError(
                f"{loss} needs a lower limit", where="budget", expected=f"{loss} >= ...", got=text
            )
        loss, limit = COMPLEMENTS[loss], round(1 - limit, 12)
    elif at_least:
        raise ParameterError(
            "a loss needs an upper limit", where="budget", expected=f"{loss} <= ...", got=text
        )
    delta: float | None = 0.05
    if found["confidence"]:
        sure = float(found["confidence"]) / (100 if found["cunit"] else 1)
        delta = round(1 - sure, 12)
    if found["expectation"] or (found["expected"] or "").lower() == "expected":
        if found["confidence"]:
            raise ParameterError("either a confidence or 'in expectation'", where="budget")
        delta = None
    return Budget(
        loss, limit=limit, delta=delta, measure=found["measure"] or "mean", per=found["per"]
    )


def read_budgets(path: str | os.PathLike[str]) -> tuple[Budget, ...]:
    """The budgets of a YAML or JSON file: `budgets:`, a list of sentences or of mappings.

    A mapping has the keys of `Budget` (loss, limit, delta, measure, per, weight, costs, bound).
    Raises `ParameterError` naming file and entry.
    """
    document = read_document(Path(path), "budget file")
    entries = document.get("budgets") if isinstance(document, dict) else None
    unknown = set(document) - {"budgets"} if isinstance(document, dict) else set()
    if not isinstance(entries, list) or not entries or unknown:
        raise ParameterError(
            "not a budget file",
            where=str(path),
            expected="the one key 'budgets' with a list of sentences or mappings",
            got=", ".join(map(repr, document)) if isinstance(document, dict) else "no mapping",
        )
    return tuple(_entry(entry, f"{path}, budget {k}") for k, entry in enumerate(entries, 1))


def read_regimes(path: str | os.PathLike[str]) -> dict[str, Budget]:
    """The regimes of a YAML or JSON file: `regimes:`, from name to budget, the strictest first.

    Empty where the file has `budgets` instead. Errors as for `read_budgets`.
    """
    document = read_document(Path(path), "budget file")
    if not isinstance(document, dict) or "regimes" not in document:
        return {}
    regimes = document["regimes"]
    if not isinstance(regimes, dict) or not regimes or set(document) != {"regimes"}:
        raise ParameterError(
            "not regimes",
            where=str(path),
            expected="the one key 'regimes' with a mapping from name to budget, strictest first",
        )
    return {str(name): _entry(entry, f"{path}, {name}") for name, entry in regimes.items()}


def _entry(entry: Any, where: str) -> Budget:
    keys = ("loss", "limit", "delta", "measure", "per", "weight", "costs", "bound")
    try:
        if isinstance(entry, str):
            return Budget.parse(entry)
        if not isinstance(entry, dict) or not {"loss", "limit"} <= set(entry) <= set(keys):
            raise ParameterError(
                "not a budget", expected="a sentence, or a mapping of " + ", ".join(keys)
            )
        return Budget(**entry)
    except ParameterError as error:
        error.where = f"{where}: {error.where}" if error.where else where
        raise


def checked_budgets(
    budgets: Budget | str | Sequence[Budget | str],
    allowed: frozenset[str] | None = None,
    *,
    expectation: bool = False,
) -> tuple[Budget, ...]:
    """One or several budgets or sentences as a tuple; `allowed` names the losses of a rule."""
    given = [budgets] if isinstance(budgets, Budget | str) else list(budgets)
    if not given:
        raise ParameterError("no budget", where="budgets", expected="at least one Budget")
    found = []
    for item in given:
        if not isinstance(item, Budget | str):
            raise ParameterError(
                "not a budget", where="budgets", expected=_EXAMPLE, got=type(item).__name__
            )
        budget = Budget.parse(item) if isinstance(item, str) else item
        if (budget.delta is None) != expectation:
            raise ParameterError(
                "control in expectation is what Conformal gives"
                if budget.delta is None
                else "Conformal controls in expectation, without a delta",
                where=f"budget {str(budget)!r}",
                hint="Give a delta" if budget.delta is None else "Say 'in expectation'",
            )
        if allowed is not None and isinstance(budget.loss, str) and budget.loss not in allowed:
            raise ParameterError(
                f"this rule has no {budget.loss}",
                where="budgets",
                expected="one of " + ", ".join(sorted(allowed)),
            )
        found.append(budget)
    return tuple(found)


def checked_budget(
    budget: Budget | str,
    allowed: frozenset[str] | None = None,
    *,
    expectation: bool = False,
) -> Budget:
    """As `checked_budgets`, for rules that keep one budget."""
    found = checked_budgets(budget, allowed, expectation=expectation)
    if len(found) != 1:
        raise ParameterError(
            "one budget is kept here", where="budget", expected="one Budget", got=f"{len(found)}"
        )
    return found[0]
