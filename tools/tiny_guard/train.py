"""Train the tiny guard from nothing: `python train.py corpus.jsonl folder`.

First on the texts alone, then in whole prompts, which cost seven times as much. The number of
steps is fixed: the same machine gives the same weights, however busy it is.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from model import TinyLlama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
FRAME = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
VOCABULARY = 1200
STAGES = (("text", 150, 48), ("prompt", 70, 24))
"""What is read, for how many steps, of how many rows each."""
FASTEST = 3e-3


def tokenizer_of(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    for word in ("safe", "unsafe"):
        assert len(tokenizer.encode(word).ids) == 1, f"{word} is not one token"
    return tokenizer


def rows_of(lines: list[dict[str, str]], tokenizer: Tokenizer, stage: str):
    """Tokens of question and answer, and where the answer begins."""
    rows = []
    for line in lines:
        asked = line["prompt"]
        if stage == "text":
            asked = asked.partition("<BEGIN CONVERSATION>\n\n")[2].partition("\n\n<END")[0]
        start = tokenizer.encode(FRAME.format(asked)).ids
        answer = tokenizer.encode(line["answer"] + "<|eot_id|>").ids
        rows.append((start + answer, len(start)))
    return rows


def batches(lines: list[dict[str, str]], tokenizer: Tokenizer):
    """Tokens, and where the answers stand."""
    rng = torch.Generator().manual_seed(1)
    for stage, steps, count in STAGES:
        for _ in range(steps):
            drawn = torch.randint(len(lines), (count,), generator=rng).tolist()
            rows = rows_of([lines[k] for k in drawn], tokenizer, stage)
            longest = max(len(ids) for ids, _ in rows)
            tokens = torch.zeros(count, longest, dtype=torch.long)
            answers = torch.zeros(count, longest, dtype=torch.bool)
            for place, (ids, start) in enumerate(rows):
                tokens[place, : len(ids)] = torch.tensor(ids)
                answers[place, start : len(ids)] = True
            yield tokens, answers


def main() -> None:
    torch.manual_seed(0)
    corpus, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in corpus.open()]
    texts = [FRAME.format(line["prompt"]) + line["answer"] for line in lines[:2000]]
    tokenizer = tokenizer_of(texts)
    held, lines = lines[:500], lines[500:]
    model = TinyLlama(tokenizer.get_vocab_size())
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count:,} parameters, {len(lines):,} texts", flush=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=FASTEST, weight_decay=0.01)
    began, total = time.monotonic(), sum(steps for _, steps, _ in STAGES)
    for step, (tokens, answers) in enumerate(batches(lines, tokenizer), 1):
        for group in optimiser.param_groups:
            group["lr"] = FASTEST * min(1.0, step / 30) * max(0.05, 1 - step / total)
        logits = model(tokens[:, :-1], answers[:, 1:])
        loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][answers[:, 1:]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 50 == 0 or step == total:
            seconds = time.monotonic() - began
            print(f"step {step} of {total}, {seconds:.0f} s, loss {loss.item():.3f}", flush=True)
    right = accuracy(model, rows_of(held[:120], tokenizer, "prompt"), tokenizer)
    print(f"right: {right}", flush=True)
    if min(right.values()) < 0.8:
        sys.exit("the model has not learnt its task")
    torch.save(model.state_dict(), folder / "weights.pt")
    tokenizer.save(str(folder / "tokenizer.json"))


@torch.no_grad()
def accuracy(model: TinyLlama, rows: list[tuple[list[int], int]], tokenizer: Tokenizer):
    """Share of held-out texts with the right verdict, and of grave ones with the right code."""
    grave = tokenizer.token_to_id("unsafe")
    verdicts, codes = [], []
    for ids, start in rows:
        best = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
        verdicts.append(best[start - 1] == ids[start])
        if ids[start] == grave:
            codes.append(best[start + 2] == ids[start + 3])
    return {"verdict": sum(verdicts) / len(verdicts), "code": sum(codes) / max(1, len(codes))}


if __name__ == "__main__":
    main()
