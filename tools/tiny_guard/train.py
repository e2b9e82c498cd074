"""Train the tiny guard from nothing: `python train.py corpus.jsonl folder [seconds]`."""

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
ROWS, VOCABULARY = 24, 1200


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


def batches(rows: list[tuple[list[int], int]], seed: int):
    """Tokens, and where the answers stand."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randint(len(rows), (ROWS,), generator=rng).tolist()
        longest = max(len(rows[k][0]) for k in chosen)
        tokens = torch.zeros(ROWS, longest, dtype=torch.long)
        answers = torch.zeros(ROWS, longest, dtype=torch.bool)
        for place, k in enumerate(chosen):
            ids, start = rows[k]
            tokens[place, : len(ids)] = torch.tensor(ids)
            answers[place, start : len(ids)] = True
        yield tokens, answers


def main() -> None:
    torch.manual_seed(0)
    corpus, folder = Path(sys.argv[1]), Path(sys.argv[2])
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else 600.0
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in corpus.open()]
    texts = [FRAME.format(line["prompt"]) + line["answer"] for line in lines[:2000]]
    tokenizer = tokenizer_of(texts)
    rows = []
    for line in lines:
        prompt = tokenizer.encode(FRAME.format(line["prompt"])).ids
        answer = tokenizer.encode(line["answer"] + "<|eot_id|>").ids
        rows.append((prompt + answer, len(prompt)))
    held, rows = rows[:500], rows[500:]
    model = TinyLlama(tokenizer.get_vocab_size())
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count:,} parameters, {len(rows):,} texts of {len(rows[0][0])} tokens", flush=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    began = time.monotonic()
    for step, (tokens, answers) in enumerate(batches(rows, 1), 1):
        spent = (time.monotonic() - began) / limit
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 30) * max(0.05, 1 - spent)
        logits = model(tokens[:, :-1], answers[:, 1:])
        loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][answers[:, 1:]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 50 == 0:
            right = accuracy(model, held, tokenizer)
            print(f"{step} {spent * limit:.0f} s loss {loss.item():.3f} right {right}", flush=True)
            if min(right.values()) > 0.93:
                break
        if spent >= 1:
            break
    torch.save(model.state_dict(), folder / "weights.pt")
    tokenizer.save(str(folder / "tokenizer.json"))


@torch.no_grad()
def accuracy(model: TinyLlama, rows: list[tuple[list[int], int]], tokenizer: Tokenizer):
    """Share of held-out texts with the right verdict, and of grave ones with the right code."""
    grave = tokenizer.token_to_id("unsafe")
    verdicts, codes = [], []
    for ids, start in rows[:120]:
        best = model(torch.tensor([ids[:-1]]))[0].argmax(-1).tolist()
        verdicts.append(best[start - 1] == ids[start])
        if ids[start] == grave:
            codes.append(best[start + 2] == ids[start + 3])
    return {"verdict": sum(verdicts) / len(verdicts), "code": sum(codes) / max(1, len(codes))}


if __name__ == "__main__":
    main()
