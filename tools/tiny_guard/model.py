"""A Llama of less than a million parameters, in the layout that GGUF calls `llama`."""

from __future__ import annotations

import torch
from torch import nn

CONFIG = {
    "width": 128,
    "layers": 2,
    "heads": 4,
    "hidden": 352,
    "context": 512,
    "base": 10000.0,
    "eps": 1e-5,
}


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["eps"])
        return x * scale * self.weight


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions over neighbouring pairs, as the GGUF architecture has them."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width, hidden = CONFIG["width"], CONFIG["hidden"]
        self.attn_norm, self.ffn_norm = Norm(width), Norm(width)
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, width, bias=False)
        self.attn_v = nn.Linear(width, width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate = nn.Linear(width, hidden, bias=False)
        self.ffn_up = nn.Linear(width, hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        rows, length, width = x.shape
        y = self.attn_norm(x)
        shape = (rows, length, CONFIG["heads"], width // CONFIG["heads"])
        q, k, v = (
            f(y).view(shape).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(seen.transpose(1, 2).reshape(rows, length, width))
        y = self.ffn_norm(x)
        return x + self.ffn_down(nn.functional.silu(self.ffn_gate(y)) * self.ffn_up(y))


class TinyLlama(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(vocabulary, CONFIG["width"])
        self.blk = nn.ModuleList(Block() for _ in range(CONFIG["layers"]))
        self.output_norm = Norm(CONFIG["width"])
        self.output = nn.Linear(CONFIG["width"], vocabulary, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.04)

    def forward(self, tokens: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Logits at every place, or at those kept."""
        size = CONFIG["width"] // CONFIG["heads"]
        speed = CONFIG["base"] ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(tokens.shape[1])[:, None] * speed[None]
        cos, sin = angle.cos(), angle.sin()
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, cos, sin)
        x = self.output_norm(x)
        return self.output(x if kept is None else x[kept])
