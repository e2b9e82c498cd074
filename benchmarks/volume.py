"""Many rows: certified learning from Parquet, bulk scoring Parquet to Parquet, single rows."""

from pathlib import Path
from typing import Any

from .tasks import Limit, Task, timed

__all__ = [
    "duckdb_bulk",
    "fit_parquet",
    "imodels_parquet",
    "imodels_row",
    "optbinning_bulk",
    "optbinning_row",
    "riskwright_bulk",
    "riskwright_row",
    "rows_file",
    "tasks",
]

GENERATED = Path(__file__).parent / ".data"
# The best card of five terms on adult: what every competitor scores, or its own like of it.
POINTS = {"Age_22_to_29": -2, "HSDiploma": -2, "NoHS": -4, "Married": 4, "AnyCapitalGains": 3}
SLOPE, INTERCEPT = 0.6070814963656691, -1.8846209761689807
MILLION = 1_000_000


def rows_file(n: int) -> dict[str, Any]:
    """Make the input file, in a process of its own so that no measure pays for it."""
    from .data import adult_rows

    return {"file": adult_rows(n)}


def _input(n: int) -> Path:
    return GENERATED / f"adult_{n}.parquet"


def fit_parquet(n: int, **options: Any) -> dict[str, Any]:
    """Our certified card of five terms, from the file to the proof."""
    from riskwright import RiskScoreClassifier, read_table

    def fit() -> Any:
        model = RiskScoreClassifier(max_terms=5, max_points=5, **options)
        return model.fit(read_table(_input(n), target="Over50K"))

    model, seconds = timed(fit, 0)
    proof = model.certificate_
    return seconds | {"figures": {"loss": proof.loss, "gap": proof.gap, "proof": proof.status}}


def imodels_parquet(n: int) -> dict[str, Any]:
    """FastRiskScoreClassifier from the file to its card; no proof. Compiled before."""
    import numpy as np
    import pandas as pd
    from imodels import FastRiskScoreClassifier

    model = FastRiskScoreClassifier(k=5, binarize=False)
    model.fit(np.eye(20)[np.arange(200) % 20], np.arange(200) % 2)

    def fit() -> Any:
        table = pd.read_parquet(_input(n))
        return model.fit(table.drop(columns="Over50K"), table["Over50K"])

    fitted, seconds = timed(fit, 0)
    return seconds | {"figures": {"loss": fitted.train_loss_}}


def _rates(n: int, seconds: dict[str, float], mean_risk: float) -> dict[str, Any]:
    figures = {"million_rows_per_s": n / seconds["wall_s"] / 1e6, "mean_risk": mean_risk}
    return seconds | {"figures": figures}


def _our_card() -> Any:
    import polars as pl

    from .data import load
    from .learners import riskwright_model

    X, y, names = load("adult")
    return riskwright_model(pl.DataFrame(X, schema=names), y, 5, certify=False).card_


def riskwright_bulk(n: int, repeats: int) -> dict[str, Any]:
    """`score_file`: the columns of the card are read, points and risk are written."""
    import polars as pl

    from riskwright.scoring.deployment import score_file

    card, out = _our_card(), GENERATED / "scored_riskwright.parquet"
    _, seconds = timed(lambda: score_file(card, _input(n), out, keep=[]), repeats)
    return _rates(n, seconds, pl.scan_parquet(out).select(pl.mean("risk")).collect().item())


def duckdb_bulk(n: int, repeats: int) -> dict[str, Any]:
    """The same card as SQL by hand: COPY (SELECT points, risk FROM file) TO file."""
    import duckdb

    out = GENERATED / "scored_duckdb.parquet"
    total = " + ".join(f"{p} * {name}::INTEGER" for name, p in POINTS.items())
    risk = f"1 / (1 + exp(-({SLOPE!r} * points + {INTERCEPT!r})))"
    query = f"SELECT {total} AS points, {risk} AS risk FROM '{_input(n)}'"
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = true")
    copy = f"COPY ({query}) TO '{out}' (FORMAT parquet)"
    _, seconds = timed(lambda: connection.execute(copy).fetchall(), repeats)
    return _rates(n, seconds, connection.execute(f"SELECT avg(risk) FROM '{out}'").fetchall()[0][0])


def _scorecard() -> Any:
    import pandas as pd
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    from .data import load

    X, y, names = load("adult")
    frame = pd.DataFrame(X, columns=names)[list(POINTS)]
    card = Scorecard(
        binning_process=BinningProcess(list(POINTS)),
        estimator=LogisticRegression(),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 100},
        rounding=True,
    )
    return card.fit(frame, y), frame


def optbinning_bulk(n: int, repeats: int) -> dict[str, Any]:
    """Scorecard of the same five columns through pandas: read, score, predict_proba, write."""
    import pandas as pd

    card, _ = _scorecard()
    out = GENERATED / "scored_optbinning.parquet"

    def score() -> float:
        rows = pd.read_parquet(_input(n), columns=list(POINTS))
        risk = card.predict_proba(rows)[:, 1]
        pd.DataFrame({"points": card.score(rows), "risk": risk}).to_parquet(out)
        return float(risk.mean())

    mean_risk, seconds = timed(score, repeats)
    return _rates(n, seconds, mean_risk)


def _row(score: Any, calls: int) -> dict[str, Any]:
    """Microseconds per call: the median of seven rounds of `calls` calls."""

    def round_of_calls() -> None:
        for _ in range(calls):
            score()

    _, seconds = timed(round_of_calls, 7, budget_s=10)
    return {"figures": {"us_per_row": seconds["wall_s"] / calls * 1e6}}


def riskwright_row() -> dict[str, Any]:
    """`RowScorer` on a dict with the values of all columns."""
    from riskwright.scoring.deployment import RowScorer

    from .data import load

    X, _, names = load("adult")
    scorer, row = RowScorer(_our_card()), dict(zip(names, X[0].tolist(), strict=True))
    return _row(lambda: scorer(row), 20_000)


def imodels_row() -> dict[str, Any]:
    """`predict_proba` on one row of a NumPy array."""
    from imodels import FastRiskScoreClassifier

    from .data import load

    X, y, _ = load("adult")
    model = FastRiskScoreClassifier(k=5, binarize=False).fit(X, y)
    return _row(lambda: model.predict_proba(X[:1]), 200)


def optbinning_row() -> dict[str, Any]:
    """`Scorecard.score` on a data frame of one row."""
    card, frame = _scorecard()
    one = frame.iloc[:1]
    return _row(lambda: card.score(one), 20)


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family; the larger file only in the full run."""
    found = []
    for n, seconds in ((MILLION, 3.0), (10 * MILLION, 15.0)):
        large, case = n > MILLION, f"{n // MILLION} million rows"
        limits = (Limit("first_s", seconds), Limit("gap", 1e-9), Limit("peak_mb", 4295))
        for scale in ("unit", "free"):
            found.append(
                Task(
                    measure="volume",
                    case=f"{case} x 36, certified {scale}",
                    competitor="riskwright",
                    environment="riskwright",
                    function="volume:fit_parquet",
                    arguments={"n": n, "scale": scale},
                    tables=("adult",),
                    prepare=("volume:rows_file", {"n": n}),
                    limits=limits,
                    quick=not large,
                )
            )
    found.append(
        _peer(
            "volume", "1 million rows x 36, certified free", "imodels", "imodels_parquet", n=MILLION
        )
    )
    case = "10 million rows, 5 terms"
    bulk = (Limit("million_rows_per_s", 10.0, at_least=True), Limit("peak_mb", 500))
    many = {"n": 10 * MILLION, "repeats": repeats}
    found += [
        _peer("bulk scoring", case, "riskwright", "riskwright_bulk", bulk, **many),
        _peer("bulk scoring", case, "duckdb", "duckdb_bulk", **many),
        _peer("bulk scoring", case, "optbinning", "optbinning_bulk", **many),
        _peer("one row", "5 terms", "riskwright", "riskwright_row", (Limit("us_per_row", 5.0),)),
        _peer("one row", "5 terms", "imodels", "imodels_row"),
        _peer("one row", "5 terms", "optbinning", "optbinning_row"),
    ]
    return found


def _peer(
    measure: str,
    case: str,
    competitor: str,
    function: str,
    limits: tuple[Limit, ...] = (),
    **arguments: Any,
) -> Task:
    return Task(
        measure=measure,
        case=case,
        competitor=competitor,
        environment=competitor,
        function=f"volume:{function}",
        arguments=arguments,
        tables=("adult",),
        prepare=("volume:rows_file", {"n": arguments["n"]}) if "n" in arguments else None,
        limits=limits,
        quick=arguments.get("n", 0) <= MILLION,
    )
