"""Stability of a score of texts: over-stable to lost content, over-sensitive to small edits.

After "AES systems are both overstable and oversensitive" (Singla et al. 2021, arXiv 2109.11728).
Results hold rates and row numbers; words of a text appear in `words_that_fix` alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    Estimate,
    Finding,
    ParameterError,
    Record,
)
from riskwright.core.randomness import Seed, generator
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, numbers, same_length

from ._checks import between, checked_texts, positive_integer
from ._estimates import graded, no_interval, share, student_mean
from ._words import percent, percents, whole

__all__ = [
    "PERTURBATIONS",
    "FixingWords",
    "Perturbation",
    "PerturbationRate",
    "TextStability",
    "text_stability",
    "words_that_fix",
]

Floats = NDArray[np.float64]
Score = Callable[[list[str]], ArrayLike]
Change = Callable[[str, np.random.Generator, Sequence[str]], str]
Kind = Literal["content", "edit"]
Outcome = NDArray[np.int8]

LIMIT = 0.1
FEW_WORDS = 3
_LONG_ENOUGH = 10
_PADDING = "The weather was mild that day and a market was held in the square ."


@dataclass(frozen=True)
class Perturbation:
    """A way to change a text.

    `kind` "content" destroys what the text says, so that its score should move; "edit" leaves it,
    so that the score should not. `change` maps a text, a generator and a pool of words of the other
    texts to a text; the same text back means that it does not apply.
    """

    name: str
    kind: Kind
    change: Change


class PerturbationRate(Record, frozen=True, kw_only=True):
    """What one perturbation did: `failed` is the share of texts on which the score did wrong.

    Wrong is to stay within the tolerance where content was destroyed, and to leave it after an
    edit. `shift` is the mean change of the score, `rows` the first row numbers of failures, and
    `set_aside` counts texts that the perturbation left as they were.
    """

    name: str
    kind: str
    failed: Estimate
    shift: Estimate
    rows: tuple[int, ...]
    set_aside: int


class TextStability(Record, frozen=True, kw_only=True):
    """Over-stability and over-sensitivity of a score of texts.

    `over_stability` and `over_sensitivity` are the shares of texts on which at least one
    perturbation of the kind failed, None where none applied; `repeat` is the share whose score
    left the tolerance when the same text was scored again. `anchored` is the share of sampled
    texts of ten words or more whose score `few` words alone fix, `anchored_rows` their numbers.
    """

    n: int
    tolerance: float
    repeat: Estimate
    over_stability: Estimate | None
    over_sensitivity: Estimate | None
    perturbations: tuple[PerturbationRate, ...]
    anchored: Estimate | None
    anchored_rows: tuple[int, ...]
    few: int
    limit: float
    level: float
    method: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class FixingWords:
    """The few words of one text that keep its score within the tolerance.

    `positions` are places of the words in the text, from 0; `score` is that of the text,
    `score_kept` that of the words alone. It quotes the text: show it to those who may read it.
    """

    words: tuple[str, ...]
    positions: tuple[int, ...]
    n_words: int
    score: float
    score_kept: float


def _shuffled(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    words = text.split()
    return " ".join(words[i] for i in rng.permutation(len(words))) if len(words) > 1 else text


def _padded(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    padding = _PADDING.split()
    size = len(text.split())
    times = math.ceil(size / len(padding))
    return " ".join([text, *(padding * times)]) if size else text


def _truncated(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2]) if len(words) > 1 else text


def _replaced(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    size = len(text.split())
    return " ".join(pool[i] for i in rng.integers(0, len(pool), size)) if pool and size else text


def _mistyped(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    places = [i for i in range(len(text) - 3) if text[i : i + 4].isalpha()]
    places = [i for i in places if text[i + 1] != text[i + 2]]
    if not places:
        return text
    i = places[int(rng.integers(len(places)))] + 1
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def _recased(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    return text.lower() if text.lower() != text else text.upper()


def _repunctuated(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
    bare = re.sub(r"[^\w\s]+\s*$", "", text)
    return bare if bare != text or not text.strip() else text + "."


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("shuffle", "content", _shuffled),
    Perturbation("pad", "content", _padded),
    Perturbation("truncate", "content", _truncated),
    Perturbation("replace", "content", _replaced),
    Perturbation("typo", "edit", _mistyped),
    Perturbation("case", "edit", _recased),
    Perturbation("punctuation", "edit", _repunctuated),
)


def text_stability(
    score: Score,
    texts: Sequence[str],
    *,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    synonyms: Mapping[str, str] | None = None,
    tolerance: float | None = None,
    limit: float = LIMIT,
    explained: int = 10,
    few: int = FEW_WORDS,
    level: float = 0.95,
    shown: int = 10,
    seed: Seed = 0,
) -> TextStability:
    """Rates at which a score of texts stays where it should move, and moves where it should stay.

    Parameters
    ----------
    score : function from a list of texts to as many numbers
    texts : the texts, at least one
    perturbations : shuffle (words in random order), pad (as many off-topic words at the end),
        truncate (first half of the words), replace (every word by one of another text), typo (two
        letters swapped), case (all small, or all capitals), punctuation (the last mark dropped, or
        a stop added); and any of your own.
    synonyms : word to word of the same meaning; adds the edit "synonyms" where given.
    tolerance : a score that changes by no more has not moved
        By default a tenth of the standard deviation of the scores of the texts.
    limit : a rate surely above it is a finding of high severity.
    explained : number of texts, drawn by `seed`, whose few fixing words are sought (0 for none).
    few : as many words or fewer, alone, anchor a score.
    level : of the intervals; those of single perturbations hold together.
    shown : number of row numbers of failures listed for each perturbation.

    Returns
    -------
    TextStability

    Raises
    ------
    DataError : no texts, entries that are not text, scores that are missing or too few.
    ParameterError : options out of range, two perturbations of one name.

    Notes
    -----
    Every text meets its own perturbed copy, so rates are binomial over texts: Clopper-Pearson
    intervals. `text.over_stability` and `text.over_sensitivity` are medium where the rate is
    surely above 0 (or, for edits, above what scoring the same text twice moves). Calls `score`
    twice plus once for each perturbation, and O(words log words) texts for each one explained.

    Examples
    --------
    >>> texts = [f"the claim of {n} euro is late and angry" for n in range(40)]
    >>> found = text_stability(lambda batch: [len(text.split()) for text in batch], texts)
    >>> print(found.perturbations[0].failed)
    1.000 (95% CI 0.869 to 1.000)
    >>> found.over_sensitivity.value
    0.0
    """
    normal_quantile(level)
    between(limit, "limit", 0.0, 1.0)
    positive_integer(few, "few"), positive_integer(shown, "shown", 0)
    explained = positive_integer(explained, "explained", 0)
    rows = checked_texts(texts)
    kinds = _all_perturbations(perturbations, synonyms)
    rng = generator(seed)
    base, again = _scores(score, rows), _scores(score, rows)
    reach = _tolerance(tolerance, base)
    moved_again = int((np.abs(again - base) > reach).sum())
    repeat = share(moved_again, len(rows), level, "share moved by scoring again")
    trial = _Trial(score, rows, base, reach, rng, level)
    outcomes, shifts = zip(*(trial.outcome(one) for one in kinds), strict=True)
    rates = [
        trial.rate(one, outcome, shift, len(kinds), shown)
        for one, outcome, shift in zip(kinds, outcomes, shifts, strict=True)
    ]
    over = {kind: trial.any_failed(kind, kinds, outcomes) for kind in ("content", "edit")}
    anchored, anchored_rows = trial.anchored(explained, few)
    return TextStability(
        n=len(rows),
        tolerance=reach,
        repeat=repeat,
        over_stability=over["content"],
        over_sensitivity=over["edit"],
        perturbations=tuple(rates),
        anchored=anchored,
        anchored_rows=anchored_rows,
        few=few,
        limit=limit,
        level=level,
        method="paired perturbations; Clopper-Pearson",
        findings=_findings(over, repeat, rates, anchored, few, limit),
    )


def words_that_fix(
    score: Score, text: str, *, tolerance: float, max_calls: int = 1000
) -> FixingWords:
    """The few words of `text` that keep its score within `tolerance`, by greedy deletion.

    Runs of words are deleted, longest first, always the run that moves the score least, until no
    word can go. `max_calls` limits the calls of `score`; what is left then still keeps the score,
    but may not be the fewest. It returns words of the text.

    Examples
    --------
    >>> found = words_that_fix(
    ...     lambda batch: ["fraud" in text for text in batch], "this is surely fraud", tolerance=0
    ... )
    >>> found.words, found.positions
    (('fraud',), (3,))
    """
    if not (is_number(tolerance) and tolerance >= 0):
        raise ParameterError(
            "out of range", where="tolerance", expected="at least 0", got=repr(tolerance)
        )
    most = positive_integer(max_calls, "max_calls")
    (text,) = checked_texts([text])
    words = text.split()
    goal = float(_scores(score, [text])[0])
    kept, reached = _fewest(score, words, goal, float(tolerance), most)
    return FixingWords(
        words=tuple(words[i] for i in kept),
        positions=tuple(kept),
        n_words=len(words),
        score=goal,
        score_kept=reached,
    )


def _fewest(
    score: Score, words: list[str], goal: float, tolerance: float, calls: int
) -> tuple[list[int], float]:
    kept, reached, size = list(range(len(words))), goal, max(1, len(words) // 2)
    while kept and calls > 0:
        starts = range(0, len(kept), size)
        left = [kept[:start] + kept[start + size :] for start in starts]
        found = _scores(score, [" ".join(words[i] for i in rest) for rest in left])
        calls -= 1
        best = int(np.abs(found - goal).argmin())
        if abs(float(found[best]) - goal) <= tolerance:
            kept, reached = left[best], float(found[best])
            size = max(1, min(size, len(kept)))
        elif size > 1:
            size //= 2
        else:
            break
    return kept, reached


@dataclass(frozen=True)
class _Trial:
    """Texts and their scores, against which perturbed copies are held."""

    score: Score
    texts: list[str]
    base: Floats
    tolerance: float
    rng: np.random.Generator
    level: float

    def outcome(self, one: Perturbation) -> tuple[Outcome, Floats]:
        """Per text 1 for failed, 0 for passed, -1 for set aside; changes of the scores."""
        changed = [
            one.change(text, self.rng, _pool(self.texts, i)) for i, text in enumerate(self.texts)
        ]
        rows = [i for i, text in enumerate(self.texts) if changed[i] != text]
        outcome = np.full(len(self.texts), -1, dtype=np.int8)
        if not rows:
            return outcome, np.empty(0)
        shift = _scores(self.score, [changed[i] for i in rows]) - self.base[rows]
        unmoved = np.abs(shift) <= self.tolerance
        outcome[rows] = unmoved if one.kind == "content" else ~unmoved
        return outcome, shift

    def rate(
        self, one: Perturbation, outcome: Outcome, shift: Floats, tests: int, shown: int
    ) -> PerturbationRate:
        failed = np.flatnonzero(outcome == 1)
        name = f"share {'unmoved' if one.kind == 'content' else 'moved'} by {one.name}"
        empty = "it changes no text"
        return PerturbationRate(
            name=one.name,
            kind=one.kind,
            failed=share(failed.size, shift.size, self.level, name, tests=tests, empty=empty),
            shift=_mean_shift(shift, self.level, one.name),
            rows=tuple(failed[:shown].tolist()),
            set_aside=len(self.texts) - shift.size,
        )

    def any_failed(
        self, kind: str, kinds: Sequence[Perturbation], outcomes: Sequence[Outcome]
    ) -> Estimate | None:
        """Share of texts that failed one perturbation of a kind or more."""
        of_kind = [out for one, out in zip(kinds, outcomes, strict=True) if one.kind == kind]
        if not of_kind:
            return None
        worst = np.max(of_kind, axis=0)
        n = int((worst >= 0).sum())
        name = "over-stability" if kind == "content" else "over-sensitivity"
        return share(int((worst == 1).sum()), n, self.level, name) if n else None

    def anchored(self, explained: int, few: int) -> tuple[Estimate | None, tuple[int, ...]]:
        """Share of long texts, of some drawn, whose score few words fix, and their rows."""
        least = max(_LONG_ENOUGH, few + 1)
        long = [i for i, text in enumerate(self.texts) if len(text.split()) >= least]
        drawn = sorted(self.rng.permutation(long)[:explained].tolist())
        if not drawn:
            return None, ()
        words = [
            words_that_fix(self.score, self.texts[i], tolerance=self.tolerance).words for i in drawn
        ]
        rows = tuple(i for i, kept in zip(drawn, words, strict=True) if len(kept) <= few)
        return share(len(rows), len(drawn), self.level, f"share fixed by {few} words"), rows


def _pool(texts: list[str], row: int) -> list[str]:
    """Words of the next texts, enough to draw from."""
    pool: list[str] = []
    for step in range(1, len(texts)):
        pool += texts[(row + step) % len(texts)].split()
        if len(pool) > 200:
            break
    return pool


def _mean_shift(shift: Floats, level: float, name: str) -> Estimate:
    label = f"mean change of the score by {name}"
    if shift.size == 0:
        return no_interval(label, 0, level, "it changes no text")
    return student_mean(label, shift, None, level)


def _findings(
    over: Mapping[str, Estimate | None],
    repeat: Estimate,
    rates: list[PerturbationRate],
    anchored: Estimate | None,
    few: int,
    limit: float,
) -> tuple[Finding, ...]:
    found = []
    noise = repeat.high if repeat.value > 0 else 0.0
    for kind, code, said, effect in (
        ("content", "text.over_stability", "did not move when content was destroyed", 0.0),
        ("edit", "text.over_sensitivity", "moved after an edit that leaves the meaning", noise),
    ):
        rate = over[kind]
        if rate is None:
            continue
        worst = max(
            (one for one in rates if one.kind == kind and one.failed.n),
            key=lambda one: one.failed.value,
        )
        found.append(
            Finding(
                code=code,
                sentence=(
                    f"Of {whole(rate.n, 'text', 'texts')}, the score of {percents(rate)} {said}; "
                    f'most often by "{worst.name}", {percents(worst.failed)}.'
                ),
                severity=graded(rate, effect=effect, limit=limit),
                estimate=rate,
                method=rate.method,
            )
        )
    if anchored is not None:
        found.append(
            Finding(
                code="text.anchored",
                sentence=(
                    f"Of {whole(anchored.n, 'longer text', 'longer texts')} looked into, the score "
                    f"of {percents(anchored)} is fixed by {few} words or fewer alone."
                ),
                severity=graded(anchored, effect=0.0, limit=max(limit, 0.5)),
                estimate=anchored,
                method=f"greedy deletion; {anchored.method}",
            )
        )
    if repeat.value > 0:
        found.append(
            Finding(
                code="text.repeat",
                sentence=(
                    f"Scored again, {percents(repeat)} of {repeat.n:,} texts got another score, "
                    f"beyond the tolerance; {percent(noise)} can be noise of this kind."
                ),
                severity=graded(repeat, effect=0.0, limit=limit),
                estimate=repeat,
                method=repeat.method,
            )
        )
    return tuple(found)


def _all_perturbations(
    perturbations: Sequence[Perturbation], synonyms: Mapping[str, str] | None
) -> list[Perturbation]:
    kinds = list(perturbations)
    if synonyms is not None:
        kinds.append(_synonyms(synonyms))
    names = [one.name for one in kinds]
    if not kinds or len(set(names)) < len(names):
        raise ParameterError(
            "no perturbations, or two of one name",
            where="perturbations",
            expected="perturbations of different names",
            got=", ".join(names) or "none",
        )
    wrong = [one.name for one in kinds if one.kind not in ("content", "edit")]
    if wrong:
        raise ParameterError(
            "unknown kind of perturbation",
            where="perturbations",
            expected='"content" or "edit"',
            got=", ".join(wrong),
        )
    return kinds


def _synonyms(synonyms: Mapping[str, str]) -> Perturbation:
    known = {word.casefold(): other for word, other in synonyms.items()}
    if not known or "" in known:
        raise ParameterError("no synonyms", where="synonyms", expected="word to word")
    words = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def change(text: str, rng: np.random.Generator, pool: Sequence[str]) -> str:
        return pattern.sub(lambda hit: known.get(hit[0].casefold(), hit[0]), text)

    return Perturbation("synonyms", "edit", change)


def _scores(score: Score, texts: list[str]) -> Floats:
    found = numbers(score(texts), "score(texts)")
    same_length(found, "score(texts)", len(texts), "texts")
    return found


def _tolerance(tolerance: float | None, base: Floats) -> float:
    if tolerance is None:
        return float(base.std()) / 10
    if not (is_number(tolerance) and 0 <= tolerance < math.inf):
        raise ParameterError(
            "out of range", where="tolerance", expected="at least 0", got=repr(tolerance)
        )
    return float(tolerance)
