"""Weights of n-grams: files that were changed are refused, training repeats itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskwright.core import ArtifactError, ContentHashError, ParameterError, TargetError
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.text.ngram_model import WEIGHTS, NgramModel
from riskwright.scoring.text.ngram_training import train_ngrams
from riskwright.scoring.text.ngrams import NgramScorer

GOOD = ("green tea with lemon", "a walk in the park", "bread from the oven", "rain on the roof")
BAD = (
    "you rude goblin",
    "that rude goblin again",
    "goblin behaviour is rude",
    "such a rude goblin",
)
TEXTS = [f"{text} {word}" for text in (*GOOD, *BAD) for word in ("today", "again", "now")]
LABELS = np.array([[text.startswith(BAD) * 1.0, text.startswith(BAD) * 1.0] for text in TEXTS])


def trained(**options: Any) -> NgramModel:
    return train_ngrams(TEXTS, LABELS, hazards=("hte",), n_dense=2, min_texts=2, **options)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    shutil.copy(WEIGHTS, tmp_path)
    shutil.copy(WEIGHTS.with_suffix(".bin"), tmp_path)
    return tmp_path / WEIGHTS.name


def test_the_weights_are_small_and_have_a_card() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.parent.iterdir()]
    assert sum(sizes) <= 2_000_000
    assert "openai_moderation" in NgramModel.load(WEIGHTS).training["never_seen"]
    assert "Known failures" in (WEIGHTS.parent / "README.md").read_text(encoding="utf-8")


def test_the_figures_on_the_card_are_those_of_the_header() -> None:
    text = (WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    for by in NgramModel.load(WEIGHTS).training["figures"].values():
        for figures in by.values():
            for value, low, high in figures.values():
                assert f"{value:.3f} ({low:.3f} to {high:.3f})" in text


def test_changed_weights_are_refused(files: Path) -> None:
    data = bytearray(files.with_suffix(".bin").read_bytes())
    data[1234] ^= 1
    files.with_suffix(".bin").write_bytes(data)
    with pytest.raises(ContentHashError, match="does not match"):
        NgramModel.load(files)


def test_cut_weights_are_refused(files: Path) -> None:
    data = files.with_suffix(".bin").read_bytes()
    files.with_suffix(".bin").write_bytes(data[:-1])
    with pytest.raises(ContentHashError, match="expected 1700000 bytes"):
        NgramModel.load(files)


def test_a_changed_header_is_refused(files: Path) -> None:
    document = json.loads(files.read_text(encoding="utf-8"))
    document["body"]["bias"][0] += 0.5
    files.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ContentHashError):
        NgramModel.load(files)


def test_absent_weights_are_named(files: Path) -> None:
    files.with_suffix(".bin").unlink()
    with pytest.raises(ArtifactError, match="cannot read"):
        NgramModel.load(files)


def test_a_model_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = trained(training={"seed": 3})
    model.save(tmp_path / "m.json")
    back = NgramModel.load(tmp_path / "m.json")
    assert back.version == model.version
    assert back.training == {"seed": 3}
    exchange = [Exchange(prompt="a rude goblin")]
    assert NgramScorer(back).score(exchange) == NgramScorer(model).score(exchange)


def test_the_version_tells_of_every_number() -> None:
    model = trained()
    weight = model.weight.copy()
    weight[0, 0] ^= 1
    changed = [
        replace(model, weight=weight),
        replace(model, window=7),
        replace(model, familiar=0.9),
    ]
    assert len({model.version, *(other.version for other in changed)}) == 4


def test_training_repeats_itself_and_learns() -> None:
    one, other = trained(seed=5), trained(seed=5)
    assert one.version == other.version
    good, bad = NgramScorer(one).score(
        [Exchange(prompt="tea today"), Exchange(prompt="rude goblin")]
    )
    assert bad.severity > 0.6 > 0.4 > good.severity
    assert bad.hazards["hte"] > good.hazards["hte"]


def test_a_hazard_of_one_label_alone_is_never_claimed() -> None:
    labels = LABELS.copy()
    labels[:, 0] = np.nan
    model = train_ngrams(TEXTS, labels, hazards=("hte",), n_dense=0, min_texts=2)
    assert NgramScorer(model).score([Exchange(prompt="rude goblin")])[0].hazards["hte"] < 1e-4


def test_strata_take_up_what_tells_languages_apart() -> None:
    """All French texts here are harmful: without strata French words count as harm."""
    french = [f"le lutin {word}" for word in ("un", "deux", "trois", "quatre")]
    texts = [*TEXTS, *french]
    labels = np.vstack([LABELS, np.ones((4, 2))])
    strata = [0] * len(TEXTS) + [1] * 4
    options: dict[str, Any] = {"hazards": ("hte",), "n_dense": 0, "min_texts": 2}
    plain = train_ngrams(texts, labels, **options)
    aware = train_ngrams(texts, labels, strata=strata, **options)
    word = [Exchange(prompt="le lutin")]
    assert NgramScorer(aware).score(word)[0].severity < NgramScorer(plain).score(word)[0].severity


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ParameterError, match="wrong shape"):
        train_ngrams(TEXTS, LABELS[:, :1], hazards=("hte",))
    with pytest.raises(TargetError, match="harmful"):
        train_ngrams(TEXTS, np.zeros_like(LABELS), hazards=("hte",))
    with pytest.raises(ParameterError, match="no n-gram is common"):
        train_ngrams(TEXTS, LABELS, hazards=("hte",), min_texts=1000)
