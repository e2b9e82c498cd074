"""`ask`: which attribute of the user to ask for, so that the decision becomes the right one.

With every attribute known, the policy says what is right. While some are not, the action of least
expected cost is taken, and a question is worth what its answer is expected to save.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from riskwright.core import EmptyDataError, Estimate, ParameterError, Record, ValueRangeError
from riskwright.core.names import quoted
from riskwright.core.scores import Action, Decider, Score

__all__ = ["Acquired", "AskingCurve", "Profiles", "Question", "acquire", "ask", "curve"]

Floats = NDArray[np.float64]
Costs = Callable[[Action, Action], float]
ScoreOf = Callable[[Mapping[str, str]], Score]

MAX_PROFILES = 2**16
_TINY = 1e-12


class Profiles(Record, frozen=True, kw_only=True):
    """What is thought of the attributes before anything is asked: profiles and their shares.

    Parameters
    ----------
    attributes : names, such as "age" and "state".
    rows : one value for every attribute; no row twice, at most 65,536.
    shares : of the rows, above 0; they sum to 1.

    Examples
    --------
    >>> prior = Profiles.independent({"age": {"minor": 0.2, "adult": 0.8}})
    >>> prior.rows, prior.shares
    ((('minor',), ('adult',)), (0.2, 0.8))
    """

    attributes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        wide = all(len(row) == len(self.attributes) for row in self.rows)
        whole = math.isclose(math.fsum(self.shares), 1, abs_tol=1e-6) and min(self.shares) > 0
        if not (wide and whole and len(set(self.rows)) == len(self.rows) == len(self.shares)):
            raise ParameterError(
                "not a distribution of profiles",
                where="Profiles",
                expected="distinct rows, one value for every attribute, shares above 0 that sum "
                "to 1",
            )

    @classmethod
    def independent(cls, marginals: Mapping[str, Mapping[str, float]]) -> Profiles:
        """All combinations, from the distribution of each attribute; values of share 0 are left
        out. Raises `ParameterError`."""
        for name, shares in marginals.items():
            low = min(shares.values(), default=-1.0)
            if not low >= 0 or not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-9):
                raise ParameterError(
                    "not a distribution",
                    where=f"attribute {quoted(name)}",
                    expected="value -> share, of at least 0, that sum to 1",
                )
        held = {n: {v: p for v, p in s.items() if p > 0} for n, s in marginals.items()}
        if math.prod(map(len, held.values())) > MAX_PROFILES:
            raise ParameterError("too many profiles", where="marginals", expected=f"{MAX_PROFILES}")
        combinations = list(itertools.product(*(shares.items() for shares in held.values())))
        return cls(
            attributes=tuple(held),
            rows=tuple(tuple(value for value, _ in row) for row in combinations),
            shares=tuple(math.prod(share for _, share in row) for row in combinations),
        )

    @classmethod
    def of_table(cls, rows: Sequence[Mapping[str, str]]) -> Profiles:
        """As often as they occur together in a table; dependence between attributes is kept.

        Raises `EmptyDataError` for no rows, `ParameterError` where rows differ in attributes.
        """
        if not rows:
            raise EmptyDataError("no rows", where="rows")
        names = tuple(rows[0])
        counts: dict[tuple[str, ...], int] = {}
        for place, row in enumerate(rows):
            if set(row) != set(names):
                raise ParameterError(
                    "other attributes", where=f"row {place}", expected=", ".join(names)
                )
            key = tuple(str(row[name]) for name in names)
            counts[key] = counts.get(key, 0) + 1
        if len(counts) > MAX_PROFILES:
            raise ParameterError("too many profiles", where="rows", expected=f"{MAX_PROFILES}")
        return cls(
            attributes=names,
            rows=tuple(counts),
            shares=tuple(count / len(rows) for count in counts.values()),
        )

    def given(self, known: Mapping[str, str]) -> Profiles:
        """The profiles that agree with what is known, their shares anew.

        Raises `ValueRangeError` where none does, `ParameterError` for an unknown attribute.
        """
        unknown = [name for name in known if name not in self.attributes]
        if unknown:
            raise ParameterError(
                "unknown attribute",
                where=quoted(unknown[0]),
                expected=", ".join(self.attributes),
            )
        places = [(self.attributes.index(name), value) for name, value in known.items()]
        kept = [
            (row, share)
            for row, share in zip(self.rows, self.shares, strict=True)
            if all(row[place] == value for place, value in places)
        ]
        if not kept:
            raise ValueRangeError(
                "no profile has these values",
                where=", ".join(known) or "profiles",
                expected="values that the prior knows",
            )
        total = math.fsum(share for _, share in kept)
        return Profiles(
            attributes=self.attributes,
            rows=tuple(row for row, _ in kept),
            shares=tuple(share / total for _, share in kept),
        )


class Question(Record, frozen=True, kw_only=True):
    """What to ask next, or that nothing needs to be asked.

    Parameters
    ----------
    attribute : to ask for; "" where none is worth asking.
    action : the one of least expected cost as long as nothing more is known.
    expected_cost : its expected cost.
    settled : whether no answer whatever can make another action the better one; exact, over all
        profiles that are still possible.
    savings : attribute -> expected cost that its answer saves, at least 0.
    changes : attribute -> probability that its answer changes the action.
    """

    attribute: str
    action: Action
    expected_cost: float
    settled: bool
    savings: dict[str, float]
    changes: dict[str, float]


class Acquired(Record, frozen=True, kw_only=True):
    """How a decision came about: questions in order, those not answered, the action, and why it
    ended: "settled", "not worth it", or "asked enough"."""

    asked: tuple[str, ...]
    unanswered: tuple[str, ...]
    action: Action
    expected_costs: tuple[float, ...]
    ended: Literal["settled", "not worth it", "asked enough"]


class AskingCurve(Record, frozen=True, kw_only=True):
    """How often the action is the right one, by the number of questions that may be asked.

    `right` and `costs` have one entry for 0, 1, ... questions: the share of cases whose action is
    that under full knowledge, and the mean cost; `asked` is the mean number of questions that were
    put. `in_order` is `right` for asking in the given order of attributes, whatever the answers.
    """

    right: tuple[Estimate, ...]
    costs: tuple[float, ...]
    asked: tuple[float, ...]
    in_order: tuple[Estimate, ...]


def wrong_or_right(taken: Action, right: Action) -> float:
    """Cost 1 for every action other than the right one."""
    return float(taken != right)


class _Space:
    """The right action of every profile, and what each action costs there."""

    def __init__(self, score_of: ScoreOf, policy: Decider, prior: Profiles, costs: Costs) -> None:
        self.names = prior.attributes
        self.shares = np.array(prior.shares)
        self.values, self.codes = _coded(prior)
        self.right = [
            policy.decide(score_of(dict(zip(self.names, row, strict=True)))).action
            for row in prior.rows
        ]
        known: tuple[Action, ...] = get_args(Action)
        self.actions = [a for a in known if a != "ask" or a in self.right]
        self.order = np.array([known.index(action) for action in self.right])
        table = {right: [costs(a, right) for a in self.actions] for right in set(self.right)}
        self.cost = np.array([table[right] for right in self.right], dtype=np.float64)
        if not (np.isfinite(self.cost).all() and (self.cost >= 0).all()):
            raise ParameterError(
                "not costs", where="costs", expected="finite numbers of at least 0"
            )

    def mask(self, known: Mapping[str, str]) -> NDArray[np.bool_]:
        keep = np.ones(self.shares.size, bool)
        for name, value in known.items():
            place = self.names.index(name)
            keep &= self.codes[:, place] == self.values[place].get(value, -1)
        return keep

    def best(self, keep: NDArray[np.bool_]) -> tuple[int, float]:
        """The action of least expected cost, the severest of equals, and that cost."""
        mean = self.shares[keep] @ self.cost[keep] / self.shares[keep].sum()
        place = int(np.flatnonzero(mean <= mean.min() + _TINY)[-1])
        return place, float(mean[place])

    def settled(self, keep: NDArray[np.bool_], open_: Sequence[int], action: int) -> bool:
        """Whether the action stays among the best whatever the open attributes turn out to be."""
        group = _groups(self.codes[keep][:, list(open_)])
        cost = np.zeros((int(group.max()) + 1, len(self.actions)))
        np.add.at(cost, group, self.shares[keep, None] * self.cost[keep])
        return bool((cost[:, action] <= cost.min(axis=1) + _TINY).all())

    def worth(
        self, keep: NDArray[np.bool_], place: int, now: tuple[int, float]
    ) -> tuple[float, ...]:
        """Saving of asking, probability that the action changes, that the right one hangs on the
        answer, given all else, and the number of possible answers."""
        total, after, change = float(self.shares[keep].sum()), 0.0, 0.0
        answers = np.unique(self.codes[keep, place])
        for code in answers:
            part = keep & (self.codes[:, place] == code)
            weight = float(self.shares[part].sum()) / total
            action, cost = self.best(part)
            after += weight * cost
            change += weight * (action != now[0])
        saved, hangs = max(0.0, now[1] - after), self._hangs(keep, place)
        return saved if saved > _TINY else 0.0, min(1.0, change), hangs, float(answers.size)

    def _hangs(self, keep: NDArray[np.bool_], place: int) -> float:
        group = _groups(np.delete(self.codes[keep], place, axis=1))
        right, share = self.order[keep], self.shares[keep]
        low = np.full(int(group.max()) + 1, self.order.max())
        high = np.zeros_like(low)
        np.minimum.at(low, group, right)
        np.maximum.at(high, group, right)
        return float(share[(low < high)[group]].sum() / share.sum())

    def question(
        self, known: Mapping[str, str], away: Sequence[str] = (), price: float = 0.0
    ) -> Question:
        keep = self.mask(known)
        now = self.best(keep)
        open_ = [n for n in self.names if n not in known and n not in away]
        settled = self.settled(keep, [self.names.index(n) for n in open_], now[0])
        worth = {name: self.worth(keep, self.names.index(name), now) for name in open_}
        best = max(open_, key=lambda name: worth[name], default="")
        asks = not settled and (price <= 0 or worth[best][0] > price + _TINY)
        return Question(
            attribute=best if asks else "",
            action=self.actions[now[0]],
            expected_cost=now[1],
            settled=settled,
            savings={name: worth[name][0] for name in open_},
            changes={name: worth[name][1] for name in open_},
        )


def _groups(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number of the distinct row that every row equals."""
    if not codes.shape[1]:
        return np.zeros(len(codes), np.intp)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)


def _coded(prior: Profiles) -> tuple[list[dict[str, int]], NDArray[np.intp]]:
    columns = list(zip(*prior.rows, strict=True)) if prior.attributes else []
    values = [{v: k for k, v in enumerate(dict.fromkeys(column))} for column in columns]
    codes = [[known[v] for v in column] for known, column in zip(values, columns, strict=True)]
    return values, np.array(codes, np.intp).reshape(len(columns), len(prior.rows)).T


def ask(
    score_of: ScoreOf,
    policy: Decider,
    prior: Profiles,
    known: Mapping[str, str] = {},
    *,
    costs: Costs = wrong_or_right,
    price: float = 0.0,
) -> Question:
    """The one attribute whose answer is expected to save most, if any is worth its price.

    Parameters
    ----------
    score_of : attributes -> score of the exchange for such a user; stored scores do, no scorer
        needs to be asked.
    policy : anything with `decide(score) -> Decision`.
    prior : Profiles
    known : attributes that are known already.
    costs : (action taken, action right under full knowledge) -> cost, at least 0.
    price : of one question, in the unit of `costs`.

    Returns
    -------
    Question

    Raises
    ------
    ParameterError, ValueRangeError : unknown attributes, values that the prior does not know,
        costs out of range.

    Notes
    -----
    Expected value of information: least expected cost now, less the mean over the answers of the
    least expected cost then; never negative. Attributes of equal saving are told apart by the
    probability that the answer changes the action, then by how often the right action hangs on
    the answer once all else is known; free questions are put until the action is settled, also
    where only several together can change it. The action is the severest of equals, and never
    "ask" unless the policy says so under full knowledge. O(p d log p) for p profiles and d
    attributes, after one score for each profile. Howard (1966), IEEE Trans. SSC 2:22, for the
    value of information; Wu et al. (2025), RAISE, for asking users.

    Examples
    --------
    >>> from riskwright.core.scores import Decision
    >>> class Careful:
    ...     def decide(self, score):
    ...         return Decision(action="block" if score.severity > 0.5 else "allow")
    >>> prior = Profiles.independent(
    ...     {"age": {"minor": 0.3, "adult": 0.7}, "hobby": {"chess": 0.5, "golf": 0.5}}
    ... )
    >>> question = ask(
    ...     lambda user: Score(severity=0.9 if user["age"] == "minor" else 0.2), Careful(), prior
    ... )
    >>> question.attribute, question.action, round(question.savings["age"], 3)
    ('age', 'allow', 0.3)
    """
    left = prior.given(known)
    return _Space(score_of, policy, left, costs).question(known, price=price)


def acquire(
    score_of: ScoreOf,
    policy: Decider,
    prior: Profiles,
    answer: Callable[[str], str | None],
    *,
    max_asks: int,
    known: Mapping[str, str] = {},
    costs: Costs = wrong_or_right,
    price: float = 0.0,
) -> Acquired:
    """Ask one attribute after another until nothing is worth asking, at most `max_asks` times.

    `answer` gives the value of an attribute, or None where the user does not say; such a question
    counts, and is not put again. Raises as `ask` does, also for an answer that the prior does not
    know.
    """
    if max_asks < 0:
        raise ParameterError("not a number of questions", where="max_asks", expected="at least 0")
    space = _Space(score_of, policy, prior.given(known), costs)
    return _acquired(space, answer, max_asks, known, price)


def _acquired(
    space: _Space,
    answer: Callable[[str], str | None],
    max_asks: int,
    known: Mapping[str, str],
    price: float,
) -> Acquired:
    held = dict(known)
    asked: list[str] = []
    away: list[str] = []
    question = space.question(held, away, price)
    path = [question.expected_cost]
    while question.attribute and len(asked) < max_asks:
        name = question.attribute
        asked.append(name)
        value = answer(name)
        if value is None:
            away.append(name)
        else:
            held[name] = value
            if not space.mask(held).any():
                raise ValueRangeError(
                    "an answer that the prior does not know, beside what is known",
                    where=f"attribute {quoted(name)}",
                    expected=", ".join(space.values[space.names.index(name)]),
                )
        question = space.question(held, away, price)
        path.append(question.expected_cost)
    ended: Any = "settled" if question.settled else "not worth it"
    return Acquired(
        asked=tuple(asked),
        unanswered=tuple(away),
        action=question.action,
        expected_costs=tuple(path),
        ended="asked enough" if question.attribute else ended,
    )


def curve(
    score_of: ScoreOf,
    policy: Decider,
    prior: Profiles,
    users: Sequence[Mapping[str, str]],
    *,
    max_asks: int | None = None,
    costs: Costs = wrong_or_right,
    price: float = 0.0,
) -> AskingCurve:
    """The share of right actions by number of questions, for users whose attributes are known.

    Entry 0 is the decision without context. `max_asks` is the number of attributes if not given.
    Raises as `acquire` does, and `EmptyDataError` for no users.
    """
    if not users:
        raise EmptyDataError("no users", where="users")
    space = _Space(score_of, policy, prior, costs)
    most = len(space.names) if max_asks is None else max_asks
    right = [_right(space, user) for user in users]
    found, spent, asked, ordered = [], [], [], []
    for limit in range(most + 1):
        ends = [_acquired(space, user.get, limit, {}, price) for user in users]
        first = [space.question(_first(space, user, limit)).action for user in users]
        found.append(_agreement([end.action for end in ends], right))
        ordered.append(_agreement(first, right))
        spent.append(_average([costs(e.action, r) for e, r in zip(ends, right, strict=True)]))
        asked.append(_average([float(len(end.asked)) for end in ends]))
    return AskingCurve(
        right=tuple(found), costs=tuple(spent), asked=tuple(asked), in_order=tuple(ordered)
    )


def _first(space: _Space, user: Mapping[str, str], limit: int) -> dict[str, str]:
    return {name: user[name] for name in space.names[:limit]}


def _right(space: _Space, user: Mapping[str, str]) -> Action:
    known = {name: user[name] for name in space.names if name in user}
    keep = space.mask(known)
    if len(known) < len(space.names) or not keep.any():
        raise ValueRangeError(
            "a user whose profile the prior does not know",
            where="users",
            expected="values for " + ", ".join(space.names),
        )
    return space.right[int(np.argmax(keep))]


def _agreement(taken: Sequence[Action], right: Sequence[Action]) -> Estimate:
    from riskwright.stats.shares import counted_share

    count = sum(a == b for a, b in zip(taken, right, strict=True))
    return counted_share("right actions", count, len(right))


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
