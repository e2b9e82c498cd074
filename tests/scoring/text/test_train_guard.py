"""The training script, end to end on made-up sets."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from riskwright.scoring.text.ngram_model import NgramModel

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tool() -> Any:
    sys.path.insert(0, str(ROOT / "tools"))
    import train_guard

    return train_guard


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


GOBLINS = [
    f"how do rude goblins {verb} {what}" for verb in ("steal", "break") for what in "abcdefgh"
]
GARDENS = [
    f"please write about {what} in the garden {k}" for what in ("tea", "rain") for k in range(8)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All files that the sources read, with goblins and gardens in them."""
    for locale in ("en_us", "fr_fr"):
        rows = "".join(f"{t} {locale},ncr\n" for t in GOBLINS)
        name = f"ailuminate_demo/airr_official_1.0_demo_{locale}_prompt_set_release.csv"
        put(tmp_path / name, "prompt_text,hazard\n" + rows)
    asked = [{"prompt": f"rude {t}", "intents": ["S005hate"]} for t in GOBLINS]
    asked.append({"prompt": "are you a goblin yourself", "intents": ["C006"]})
    put(tmp_path / "do_not_answer" / "a.jsonl", lines(asked))
    red = tmp_path / "red_instruct"
    for language in ("english", "chinese", "vietnamese"):
        parts = {"Adult Content": {"Pornography": [f"{t} {language}" for t in GOBLINS]}}
        put(red / f"catqa_{language}.json", json.dumps(parts))
    put(red / "harmfulqa.json", json.dumps({"a": {"b": [f"why {t}" for t in GOBLINS]}}))
    for name in ("dangerousqa", "adversarialqa"):
        put(red / f"{name}.json", json.dumps([f"{name} {t}" for t in GOBLINS]))
    turns = [{"turns": [{"content": t + " and tea" * 100}]} for t in GARDENS]
    put(tmp_path / "arena_hard" / "question.jsonl", lines(turns))
    for name in ("mt_bench_question", "vicuna_bench_question"):
        put(
            tmp_path / "mt_bench" / f"{name}.jsonl",
            lines([{"turns": [f"{name} {t}"]} for t in GARDENS]),
        )
    tasks = [{"instruction": t, "instances": [{"input": "", "output": t}]} for t in GARDENS]
    put(tmp_path / "self_instruct" / "seed_tasks.jsonl", lines(tasks))
    users = [{"instruction": f"my {t}", "instances": [{"input": ""}]} for t in GARDENS]
    put(tmp_path / "self_instruct" / "user_oriented_instructions.jsonl", lines(users))
    hard = [{"mutated_prompt": f"a program for {t}"} for t in GARDENS]
    put(tmp_path / "purplellama_frr" / "mitre_frr.json", json.dumps(hard))
    simple = "prompts_final\n" + "".join(f"{t} now\n" for t in GOBLINS)
    put(tmp_path / "simplesafetytests" / "SimpleSafetyTests - test cases.csv", simple)
    flagged = [{"prompt": t, "V": 1} for t in GOBLINS] + [
        {"prompt": f"oh {t}", "V": 0} for t in GARDENS
    ]
    (tmp_path / "openai_moderation").mkdir()
    with gzip.open(tmp_path / "openai_moderation" / "samples-1680.jsonl.gz", "wt") as file:
        file.write(lines(flagged))
    return tmp_path


def test_from_files_to_weights_and_card(
    tool: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = replace(tool.OWN, read=lambda _: tool.own_phrases(each=5))
    monkeypatch.setattr(tool, "OWN", few)
    monkeypatch.setattr(
        sys, "argv", ["train_guard", "--data", str(folder), "--out", str(folder / "out")]
    )
    assert tool.main() == 0
    model = NgramModel.load(folder / "out" / "ngrams.json")
    figures = model.training["figures"]["openai_moderation: any flag or none"]["shipped"]
    assert figures["auroc"][0] > 0.9
    assert model.training["sources"]["do_not_answer"]["texts"] == len(GOBLINS)
    assert "not_seen" not in capsys.readouterr().out


def test_texts_of_test_sets_are_taken_out(tool: Any, folder: Path) -> None:
    tests = tool.read(tool.TESTS, folder)
    given = tool.read(tool.TRAINING, folder)
    doubled = [replace(tests[0], text=f"  {tests[0].text.upper()}!"), given[0], given[0]]
    assert tool.without(doubled, tests) == [given[0]]


def test_our_phrases_are_harmless_twins_of_harmful_ones(tool: Any) -> None:
    texts = list(tool.own_phrases())
    assert texts == list(tool.own_phrases())
    twins = [text for text in texts if tool.set_of(text) == "own_phrases"]
    assert 0.2 < sum(text.harmful for text in twins) / len(twins) < 0.5
    assert not any(text.harmful for text in texts if tool.set_of(text) == "everyday_phrases")
    assert {h for text in texts for h in text.hazards} <= set(tool.HAZARDS)
    assert all("{" not in text.text for text in texts)


def test_harmful_and_harmless_weigh_the_same(tool: Any) -> None:
    texts = list(tool.own_phrases(each=20))
    weights = tool.weights(texts)
    harmful = [text.harmful for text in texts]
    assert weights[harmful].sum() == pytest.approx(weights.sum() / 2)
