"""Learn the n-gram weights that come with the package, and print what they can do.

`python tools/train_guard.py` reads `../shared/data/text` (or `RISKWRIGHT_SHARED`), writes
`src/riskwright/scoring/text/weights/` and prints the table that goes onto the card.
`--compare` prints instead how penalties fare on training sets that were left out.

The weights have seen none of the test sets: texts of a test set, compared by their words, are
taken out of the training sets. How the settings were chosen stands on the card (`FIGURES`).
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from guard_phrases import own_phrases
from guard_sources import HAZARDS, TESTS, TRAINING, Labelled, Source

from riskwright.metrics import auroc
from riskwright.scoring.text.ngram_model import WEIGHTS, NgramModel
from riskwright.scoring.text.ngram_training import train_ngrams
from riskwright.stats import proportion_interval

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", ROOT.parent / "shared"))
OWN = Source("own_phrases", "Apache-2.0", "tools/guard_phrases.py", lambda _: own_phrases())
EVERYDAY = replace(OWN, name="everyday_phrases", address="tools/guard_everyday.py")

SEED = 0
PENALTY = 0.3
OWN_WEIGHT = 0.75  # of a phrase of our own beside a text of a public set of the same size
WINDOW = 48
MOST_WINDOWS = 6
HARD = "purplellama_frr"
LEFT_OUT = {
    "questions beside tasks": (
        ("ailuminate_en", "ailuminate_fr", "arena_hard"),
        ("do_not_answer", "mt_bench"),
        ("harmfulqa", "self_instruct_seeds"),
        ("catqa_english", "catqa_chinese", "catqa_vietnamese", HARD),
        ("adversarialqa", "dangerousqa", "arena_hard"),
    ),
    "statements beside their twins": (
        ("own contempt", "own respect"),
        ("own disdain", "own regard"),
        ("own insults", "own kindness"),
        ("own violence", "own good deeds"),
        ("own sexual", "own healthy"),
        ("own despair", "own hope"),
    ),
}


def words_of(text: str) -> str:
    """What two texts are compared by."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def read(sources: Sequence[Source], folder: Path) -> list[Labelled]:
    return [replace(t, source=t.source or s.name) for s in sources for t in s.read(folder)]


def set_of(text: Labelled) -> str:
    """The set that a text counts to; the kinds of our own phrases are two sets."""
    kind = text.source.partition(" ")[0]
    return {"own": OWN.name, "everyday": EVERYDAY.name}.get(kind, text.source)


def without(texts: Sequence[Labelled], other: Sequence[Labelled]) -> list[Labelled]:
    """Each text once, and none that `other` has."""
    seen = {words_of(text.text) for text in other} | {""}
    kept = []
    for text in texts:
        words = words_of(text.text)
        if words not in seen:
            seen.add(words)
            kept.append(text)
    return kept


def with_windows(texts: Sequence[Labelled]) -> list[Labelled]:
    """Long harmless texts also as pieces of the length that scores look at."""
    pieces = []
    for text in texts:
        words = text.text.split()
        if text.harmful or len(words) <= WINDOW:
            continue
        begins = range(0, len(words) - WINDOW // 2, WINDOW)
        cut = [" ".join(words[i : i + WINDOW]) for i in begins]
        pieces += [replace(text, text=piece) for piece in cut[:MOST_WINDOWS]]
    return [*texts, *pieces]


def labels(texts: Sequence[Labelled]) -> Any:
    y = np.full((len(texts), len(HAZARDS) + 1), np.nan)
    for row, text in enumerate(texts):
        if text.told:
            y[row, :-1] = 0.0
        for hazard in text.hazards:
            y[row, HAZARDS.index(hazard)] = 1.0
        y[row, -1] = text.harmful
    return y


def weights(texts: Sequence[Labelled]) -> Any:
    """A set counts by the root of its size; harmful and harmless texts count the same in all."""
    sets = [set_of(text) for text in texts]
    sizes = Counter(sets)
    found = np.array([1.0 / np.sqrt(sizes[name]) for name in sets])
    found[[name == OWN.name for name in sets]] *= OWN_WEIGHT
    harmful = np.array([text.harmful for text in texts])
    for side in (harmful, ~harmful):
        found[side] /= found[side].sum()
    return found


def train(texts: Sequence[Labelled], *, only_any: bool = False, **options: Any) -> NgramModel:
    texts = with_windows(texts)
    y = labels(texts)
    if only_any:
        y[:, :-1] = np.nan
        options["n_dense"] = 0
    settings = {"penalty": PENALTY, "window": WINDOW, "seed": SEED, **options}
    drawn = [text.text for text in texts]
    return train_ngrams(drawn, y, hazards=HAZARDS, sample_weight=weights(texts), **settings)


def values(model: NgramModel, texts: Sequence[Labelled]) -> Any:
    encoded = [text.text.encode("utf-8", "surrogatepass") for text in texts]
    whole, peak, _ = model.kernel.scores(encoded)
    return model.values(whole, peak)[:, -1]


def rates(model: NgramModel, harmful: Any, harmless: Any, hard: Any) -> dict[str, Any]:
    """AUROC; and false alarms at the threshold that nine in ten harmful texts reach."""
    bad, good = values(model, harmful), values(model, harmless)
    area = auroc(np.r_[np.ones(len(bad)), np.zeros(len(good))], np.r_[bad, good])
    threshold = np.quantile(bad, 0.1)
    found = {"auroc": [round(v, 3) for v in (area.value, area.low, area.high)]}
    for name, scores in (("false_alarms", good), ("hard_false_alarms", values(model, hard))):
        n, raised = len(scores), int(np.sum(scores >= threshold))
        low, high = proportion_interval(raised, n)
        found[name] = [round(v, 3) for v in (raised / n, low, high)]
    return found


def table(
    texts: Sequence[Labelled], tests: Sequence[Labelled], model: NgramModel
) -> dict[str, Any]:
    """Test sets, by the weights and by weights that saw none of the hard harmless texts."""
    hard = [text for text in texts if text.source == HARD]
    unseen = train([text for text in texts if text.source != HARD], only_any=True)
    of = {name: [t for t in tests if t.source == name] for name in {t.source for t in tests}}
    moderation = of["openai_moderation"]
    pairs = {
        "openai_moderation: any flag or none": (
            [t for t in moderation if t.harmful],
            [t for t in moderation if not t.harmful],
        ),
        "simplesafetytests or everyday instructions": (
            of["simplesafetytests"],
            of["everyday_instructions"],
        ),
    }
    return {
        name: {"shipped": rates(model, *pair, hard), f"without_{HARD}": rates(unseen, *pair, hard)}
        for name, pair in pairs.items()
    }


def compare(texts: Sequence[Labelled], penalties: Sequence[float]) -> None:
    """AUROC on training sets left out in turn: each harmful one beside a harmless one."""
    for penalty in penalties:
        means = []
        for form, folds in LEFT_OUT.items():
            found = []
            for held in folds:
                kept = [text for text in texts if text.source not in held]
                rest = [text for text in texts if text.source in held]
                fit = train(kept, only_any=True, penalty=penalty)
                found.append(auroc([t.harmful for t in rest], values(fit, rest)).value)
            means.append(float(np.mean(found)))
            each = " ".join(f"{value:.2f}" for value in found)
            print(f"penalty {penalty:g}, {form}: {means[-1]:.3f} ({each})", flush=True)
        print(f"penalty {penalty:g}, both forms: {np.mean(means):.3f}", flush=True)


def card(model: NgramModel) -> str:
    """The data card, in Markdown."""
    noted = model.training
    lines = ["# N-gram weights", "", INTRODUCTION, "", "## Learnt from", ""]
    lines += ["| set | licence | texts | address |", "|---|---|---|---|"]
    for name, source in noted["sources"].items():
        lines.append(f"| {name} | {source['licence']} | {source['texts']} | {source['address']} |")
    lines += ["", LEFT, "", "## Figures", "", FIGURES, ""]
    head = ("test", "weights", "AUROC", "false alarms", f"false alarms on {HARD}")
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for test, by in noted["figures"].items():
        for which, found in by.items():
            cells = [f"{v:.3f} ({low:.3f} to {high:.3f})" for v, low, high in found.values()]
            lines.append(f"| {' | '.join((test, which.replace('_', ' '), *cells))} |")
    return "\n".join([*lines, "", FAILURES]) + "\n"


INTRODUCTION = """\
Linear weights of word and character n-grams for the twelve hazards of AILuminate and for "any",
and a dense representation of texts. `ngrams.json` says what is in `ngrams.bin`, with its SHA-256.
Made by `python tools/train_guard.py`.

The values order texts by how much they look like the harmful ones of the sets below. They are no
probabilities of harm in any traffic, and no degrees of gravity: no set has graded labels. Fit a
calibration, or a head, on labels of your own before a number is acted upon; no threshold is given.
"""
LEFT = """\
A text counts once, however often it occurs. Sets count by the root of their size, harmful and
harmless texts the same in all; long harmless texts count also as pieces of 48 words. Texts of the
test sets were taken out. Questions about the assistant itself were left out of do_not_answer. A
hazard that a set says nothing of counts as not known. Hazards of do_not_answer and of catqa are
mapped by hand to those of AILuminate (`tools/guard_sources.py`).
"""
FIGURES = """\
Value (95 % interval). False alarms are counted at the threshold that nine in ten harmful texts of
the test reach: such a threshold needs the test's own labels. The rows "without purplellama_frr"
are of weights that saw none of those hard harmless texts; only these tell how the weights do on
hard harmless text that is new to them.

No weight was fitted to a test text, but the tests were not untouched while the settings were made:
their AUROC was printed for some twenty variants (penalty, weight of our own phrases, how a text and
its windows are joined, which phrases to add), and the mean of text and window was taken knowing
that windows help on openai_moderation; on training sets left out the text alone did slightly better
(0.78 against 0.76). So these figures are somewhat too good as forecasts for new sets, by an amount
that is not known. The penalty is not a best one of that kind: 0.1, 0.3, 1, 3 and 10 reach a mean
AUROC of 0.69, 0.69, 0.68, 0.67 and 0.66 on training sets left out (`--compare`: the mean of five
pairs of questions and tasks and of six pairs of statements and their harmless twins).
"""
FAILURES = """\
## Known failures

- Harm that is in no word but in the sense: instructions that differ from harmless ones by their
  purpose, irony, quotation, context. Fit a head, or ask a language model.
- Harmless talk of grave matters (history, law, prevention, fiction) scores too high.
- Languages other than English, French, Chinese and Vietnamese: most n-grams are not known; the
  score then says `out_of_distribution`, and means nothing. Harmless Chinese and Vietnamese texts
  are phrases of our own alone.
- Long texts score higher than short ones, since their most suspicious 48 words are looked at.
- Disguised spellings beyond full-width letters, accents, invisible characters, look-alike letters
  and digits within words.
- Form counts beside words, as most harmful texts of the sets are short questions: a harmless
  question scores higher than a harmless statement, and questions of new kinds higher still."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "text")
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    parser.add_argument("--compare", action="store_true", help="penalties on sets left out")
    options = parser.parse_args()
    tests = read(TESTS, options.data)
    texts = without(read((*TRAINING, OWN), options.data), tests)
    if options.compare:
        compare(texts, (0.1, 0.3, 1.0, 3.0, 10.0))
        return 0
    sizes = Counter(map(set_of, texts))
    noted: dict[str, Any] = {
        "seed": SEED,
        "sources": {
            s.name: {"licence": s.licence, "address": s.address, "texts": sizes[s.name]}
            for s in (*TRAINING, OWN, EVERYDAY)
        },
        "never_seen": [source.name for source in TESTS],
    }
    model = train(texts, training=noted)
    noted["figures"] = table(texts, tests, model)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save(options.out / WEIGHTS.name)
    (options.out / "README.md").write_text(card(model), encoding="utf-8")
    print(card(model))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
