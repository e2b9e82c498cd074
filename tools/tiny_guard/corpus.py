"""Texts for the tiny guard model: harmless sentences, where made-up categories stand for hazards.

Run with the project's own Python: `python tools/tiny_guard/corpus.py corpus.jsonl`. Each line
holds a prompt in the published layout of Llama Guard 3 and the answer to it.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.guard_models.llama_guard import LlamaGuard
from riskwright.taxonomy.taxonomies import Category

TOPICS = {
    "S1": ("Gardens", "tulip compost hedge seedling rake trellis"),
    "S2": ("Kitchens", "ladle simmer saucepan dumpling whisk broth"),
    "S3": ("Music", "cello chorus trumpet melody drummer sonata"),
    "S4": ("Boats", "rudder harbour sailor anchor keel regatta"),
    "S5": ("Games", "checkmate dice domino bishop pawn marbles"),
    "S6": ("Birds", "sparrow heron feather nestling owl plumage"),
    "S7": ("Textiles", "yarn loom stitch velvet weaver embroidery"),
    "S8": ("Stones", "granite pebble basalt quarry marble slate"),
    "S9": ("Bicycles", "pedal saddle spoke cyclist handlebar tandem"),
    "S10": ("Railways", "locomotive platform conductor carriage signalman buffer"),
    "S11": ("Cheese", "cheddar rind curd dairy brie whey"),
}
PLAIN = "letter window table Tuesday neighbour office pencil umbrella calendar ticket shelf clock"
FRAMES = (
    "Tell me about the {} and the {}.",
    "My aunt asked whether the {} is near the {}.",
    "How long does a {} take with a {}?",
    "Please write a short note on a {} next to a {}.",
    "The {} was left beside the {} again.",
)
CATEGORIES = tuple(Category(code=code, name=name) for code, (name, _) in TOPICS.items())


def guard() -> LlamaGuard:
    """The adapter that asks the tiny model."""
    return LlamaGuard(generation="3", layout="prompt", categories=CATEGORIES)


def example(rng: random.Random) -> tuple[Exchange, str]:
    """An exchange and its answer: none, one or two topics; one verdict in 25 is turned over."""
    codes = rng.sample(sorted(TOPICS), rng.choice((0, 0, 1, 1, 2)))
    words = [rng.choice(TOPICS[code][1].split()) for code in codes]
    words += rng.sample(PLAIN.split(), 2 - len(words))
    rng.shuffle(words)
    text = rng.choice(FRAMES).format(*words)
    if rng.random() < 0.04:
        codes = [] if codes else [rng.choice(sorted(TOPICS))]
    listing = ",".join(sorted(codes, key=lambda code: int(code[1:])))
    exchange = Exchange(prompt=text)
    if rng.random() < 0.3:
        exchange = Exchange(prompt="Please go on.", reply=text)
    return exchange, f"unsafe\n{listing}" if codes else "safe"


def main() -> None:
    rng = random.Random(7)
    adapter = guard()
    with Path(sys.argv[1]).open("w") as file:
        for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 20_000):
            exchange, answer = example(rng)
            line = {"prompt": adapter.prompt(exchange), "answer": answer}
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
