"""What learners of cards share: reading data and parameters, progress, saving."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from riskwright.core import Certificate, Feature, ParameterError, ScoreCard
from riskwright.evidence import Binarizer, Table
from riskwright.evidence.columns import nearest
from riskwright.solvers import Constraints, ItemRules, Patterns

from .inputs import TrainingData, check_rows, check_training, fold_items, pattern_digest
from .selection import Split, folds

__all__ = ["CardLearner", "Progress", "Study"]

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Study:
    """Training rows, and what is known of columns and outcome."""

    data: TrainingData
    features: tuple[Feature, ...] | None = None
    cut_points: dict[str, tuple[float, ...]] | None = None
    outcome: str = "outcome"
    positive: str | None = None

    @property
    def positive_label(self) -> str:
        """The event's label."""
        return self.positive if self.positive is not None else str(self.data.classes[1])

    def take(self, rows: NDArray[np.intp]) -> Study:
        """Some of the rows, and the same knowledge."""
        return dataclasses.replace(self, data=self.data.take(rows))


class CardLearner(ClassifierMixin, BaseEstimator):
    """Base of the estimators whose result is a `ScoreCard` over items."""

    kind: str
    binning: Any
    certify: bool
    n_jobs: int | None
    cv: Any
    verbose: bool
    seed_: int
    points_: NDArray[np.int64]
    certificate_: Certificate

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def set_progress(self, callback: Progress | None) -> Self:
        """Have `callback` called about ten times a second while `fit` searches, with a dict of
        elapsed, objective, lower_bound, gap and, where they are known, phase and share."""
        self._progress = callback
        return self

    def _callback(self) -> Progress | None:
        given: Progress | None = getattr(self, "_progress", None)
        return print_progress if given is None and self.verbose else given

    def _study(self, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Study:
        """Checked training data; sets `classes_` and the number and names of the columns."""
        if isinstance(X, Table):
            y = X.y if y is None else y
            sample_weight = X.sample_weight if sample_weight is None else sample_weight
            data = check_training(self, X.X, y, sample_weight, class_weight)
            study = Study(data, X.features, X.cut_points or None, X.outcome, X.positive_label)
        else:
            data = check_training(self, X, y, sample_weight, class_weight)
            study = Study(data, outcome=str(getattr(y, "name", None) or "outcome"))
        self.classes_ = data.classes
        return study

    @abstractmethod
    def _fit_study(self, study: Study, splits: list[Split]) -> Self:
        """Learn the card; `splits` are for the figures that stand on it."""

    def _fresh(self) -> Self:
        """An unfitted model with the very same parameters."""
        return type(self)(**self.get_params(deep=False))

    @abstractmethod
    def _bounds(self, rules: ItemRules) -> dict[str, float]:
        """Numbers that bound the class of cards."""

    def _sentences(self, rules: ItemRules) -> tuple[str, ...]:
        """The constraints on the class of cards in words."""
        return tuple(dict.fromkeys(rules.sentences))

    def _fit_part(self, study: Study, rows: NDArray[np.intp]) -> Self:
        """A model as this one, learned from some of the rows with all that is known of the columns,
        without proof and figures."""
        model = self._fresh()
        model.certify, model.cv, model.verbose = False, None, False
        for name in ("seed_", "classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        part = study.take(rows)
        return model._fit_study(part, model._splits(part.data))

    def _splits(self, data: TrainingData) -> list[Split]:
        return folds(data, self.cv, self.seed_)

    def _folds_stated(self, n: int) -> str:
        given = isinstance(self.binning, Binarizer) and hasattr(self.binning, "items_")
        learned = "points" if given else "cut points and points"
        return f"{n}-fold cross-validation; {learned} learned anew in each fold"

    def _fold(self, study: Study) -> Patterns:
        """The training rows as patterns of the items of `binarizer_`; sets `items_`."""
        self.items_ = self.binarizer_.items_
        if not self.items_:
            raise ParameterError(
                "no column can be used: every one is constant or missing", where="X"
            )
        return fold_items(self.binarizer_, study.data)

    def _resolve(self, max_intercept: float, *, whole_intercept: bool = False) -> ItemRules:
        return self._constraints().resolve(
            self.binarizer_.items_,
            self.binarizer_.features_,
            self.binarizer_.item_feature_.tolist(),
            max_terms=self.max_terms,
            max_features=self.max_features,
            max_points=self.max_points,
            max_intercept=max_intercept,
            whole_intercept=whole_intercept,
        )

    def _constraints(self) -> Constraints:
        if self.constraints is None:
            return Constraints()
        if isinstance(self.constraints, Constraints):
            return self.constraints
        try:
            return msgspec.convert(self.constraints, Constraints, strict=False)
        except msgspec.ValidationError as error:
            unknown = re.search("unknown field `(.*)`", str(error))
            fields = Constraints.__struct_fields__
            raise ParameterError(
                f"constraints cannot be read: {error}",
                where="constraints",
                expected="some of " + ", ".join(fields),
                hint=nearest(unknown[1], fields) if unknown else None,
            ) from None

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return 0 if self.random_state is None else int(self.random_state)

    def _need(self, name: str, ok: bool, expected: str) -> None:
        if not ok:
            raise ParameterError(
                "value not allowed",
                where=f"{type(self).__name__}({name}=)",
                expected=expected,
                got=repr(getattr(self, name)),
            )

    def _check_common(self) -> None:
        """Parameters that every learner of cards has."""
        self._need("max_terms", whole(self.max_terms, 1, 64), "a whole number from 1 to 64")
        self._need("max_points", whole(self.max_points, 1, 1000), "a whole number from 1 to 1000")
        self._need(
            "max_features",
            self.max_features is None or whole(self.max_features, 1, 10**6),
            "None or a whole number from 1",
        )
        self._need(
            "binning",
            isinstance(self.binning, Binarizer) or self.binning in ("auto", "none"),
            '"auto", "none" or a Binarizer',
        )
        self._need("certify", isinstance(self.certify, bool | np.bool_), "True or False")
        self._need(
            "n_jobs",
            self.n_jobs is None or self.n_jobs == -1 or whole(self.n_jobs, 1, 1024),
            "None or -1 for all processors, or a whole number from 1",
        )
        self._need(
            "time_limit",
            self.time_limit is None or number(self.time_limit, 0.0),
            "None or seconds from 0",
        )
        self._need(
            "random_state",
            self.random_state is None
            or isinstance(self.random_state, np.random.RandomState)
            or whole(self.random_state, 0, 2**32 - 1),
            "None, a whole number from 0 to 2^32 - 1, or a RandomState",
        )
        if isinstance(self.cv, int | float | str):
            self._need("cv", whole(self.cv, 2, 1000), "None, a whole number from 2, or a splitter")

    def total_points(self, X: Any) -> NDArray[np.float64]:
        """Total points; shape (n_rows,)."""
        check_is_fitted(self)
        rows = check_rows(self, X.X if isinstance(X, Table) else X, reset=False)
        used = np.flatnonzero(self.points_)
        items = self.binarizer_.transform(rows)
        totals: NDArray[np.float64] = items[:, used].astype(np.float64) @ self.points_[used]
        return totals

    def proof(self, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Problem, folded training data and claim as plain values, for the independent checker.

        `python -m riskwright.core.checker FILE` reads it as JSON. It holds the training data as
        counts of item patterns: share it as you would share those.
        """
        check_is_fitted(self)
        study, patterns, weighed, rules, problem, claim = self._proof_terms(X, y, sample_weight)
        certificate, used = self.certificate_, np.flatnonzero(self.points_)
        return {
            "format": "riskwright-proof",
            "version": 1,
            "problem": {
                **problem,
                "score_class": getattr(self, "scale", "scoring_system"),
                "bounds": self._bounds(rules),
                "constraints": list(self._sentences(rules)),
                "max_terms": int(self.max_terms),
                "max_features": None if self.max_features is None else int(self.max_features),
                "penalty": float(self.penalty),
                "margin": certificate.margin,
                "low": list(rules.low),
                "high": list(rules.high),
                "feature": list(rules.feature),
                "required": [list(group) for group in rules.required],
                "at_most": [[list(group), most] for group, most in rules.at_most],
                "if_then": [[first, list(group)] for first, group in rules.if_then],
                "linear": [
                    [list(row.items), list(row.coefficients), *map(_finite, row.relaxed())]
                    for row in rules.linear
                ],
                "labels": [item.label for item in self.items_],
            },
            "patterns": {
                "n_rows": len(study.data),
                "rows": _pattern_rows(weighed),
                "positive": weighed.positive.tolist(),
                "negative": weighed.negative.tolist(),
            },
            "claim": {
                **claim,
                "items": used.tolist(),
                "points": self.points_[used].tolist(),
                "loss": certificate.loss,
                "objective": certificate.objective,
                "lower_bound": certificate.lower_bound,
                "status": certificate.status,
                "data_digest": pattern_digest(patterns),
            },
        }

    @abstractmethod
    def _proof_terms(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Study, Patterns, Patterns, ItemRules, dict[str, Any], dict[str, Any]]:
        """The rows, their patterns as folded and as weighed by the loss, the rules, and what this
        kind adds to problem and claim."""

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and body of the saved form (`riskwright.save`)."""
        check_is_fitted(self)
        params = self.get_params(deep=False)
        if isinstance(self.binning, Binarizer):
            params["binning"] = self.binning.to_dict()
        if self.constraints is not None:
            params["constraints"] = msgspec.to_builtins(self._constraints())
        params["random_state"] = self.seed_
        params["cv"] = self.cv if isinstance(self.cv, int | np.integer) else None
        if isinstance(params["class_weight"], dict):  # JSON knows texts alone as keys
            pairs = params["class_weight"].items()
            params["class_weight"] = [[_plain(k), _plain(v)] for k, v in pairs]
        names = getattr(self, "feature_names_in_", None)
        return self.kind, {
            "params": {name: _plain(value) for name, value in params.items()},
            "binarizer": self.binarizer_.to_dict(),
            "classes": self.classes_.tolist(),
            "n_features_in": int(self.n_features_in_),
            "feature_names_in": None if names is None else names.tolist(),
            "points": self.points_.tolist(),
            "card": msgspec.to_builtins(self.card_),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Self:
        """The fitted model that `to_artifact` described."""
        params = dict(body["params"])
        if isinstance(params["class_weight"], list):
            params["class_weight"] = dict(params["class_weight"])
        if isinstance(params["binning"], dict):
            params["binning"] = Binarizer.from_dict(params["binning"])
        model = cls(**params)
        model.binarizer_ = Binarizer.from_dict(body["binarizer"])
        model.items_ = model.binarizer_.items_
        model.classes_ = np.asarray(body["classes"])
        model.n_features_in_ = body["n_features_in"]
        if body["feature_names_in"] is not None:
            model.feature_names_in_ = np.asarray(body["feature_names_in"], dtype=object)
        model.points_ = np.asarray(body["points"], dtype=np.int64)
        model.card_ = msgspec.convert(body["card"], ScoreCard, strict=False)
        assert model.card_.certificate is not None
        model.certificate_ = model.card_.certificate
        model.seed_ = int(params["random_state"])
        return model


def _plain(value: Any) -> Any:
    """A NumPy scalar as a plain number or text."""
    return value.item() if isinstance(value, np.generic) else value


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None


def _pattern_rows(patterns: Patterns) -> list[Any]:
    dense = patterns.dense()
    if patterns.bits is None:
        rows: list[Any] = dense.tolist()
        return rows
    return ["".join("1" if v else "0" for v in row) for row in dense]


def whole(value: Any, low: int, high: int) -> bool:
    """Is it a whole number from low to high?"""
    return isinstance(value, int | np.integer) and bool(low <= value <= high)


def number(value: Any, low: float, high: float = math.inf) -> bool:
    """Is it a number from low to high?"""
    return isinstance(value, int | float | np.number) and bool(low <= value <= high)


def print_progress(state: dict[str, Any]) -> None:
    """One line on standard error, written over the last."""
    gap = f"{state['gap']:.2%}" if math.isfinite(state["gap"]) else "unknown"
    print(
        f"\r{state['elapsed']:6.1f} s  {state.get('phase', ''):<12} "
        f"objective {state['objective']:.6f}  bound {state['lower_bound']:.6f}  gap {gap}   ",
        end="",
        file=sys.stderr,
        flush=True,
    )
