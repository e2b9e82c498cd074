"""Write the tiny guard as GGUF: `python export.py folder/weights.pt file.gguf`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import torch
from model import CONFIG
from train import SPECIAL

TEMPLATE = (
    "{{ '<|begin_of_text|>' }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def main() -> None:
    trained = Path(sys.argv[1])
    weights = torch.load(trained, weights_only=True)
    described = json.loads(trained.with_name("tokenizer.json").read_text())["model"]
    tokens = sorted(described["vocab"], key=described["vocab"].get)
    writer = gguf.GGUFWriter(sys.argv[2], "llama")
    writer.add_name("tiny guard")
    writer.add_context_length(CONFIG["context"])
    writer.add_embedding_length(CONFIG["width"])
    writer.add_block_count(CONFIG["layers"])
    writer.add_feed_forward_length(CONFIG["hidden"])
    writer.add_head_count(CONFIG["heads"])
    writer.add_head_count_kv(CONFIG["heads"])
    writer.add_rope_dimension_count(CONFIG["width"] // CONFIG["heads"])
    writer.add_rope_freq_base(CONFIG["base"])
    writer.add_layer_norm_rms_eps(CONFIG["eps"])
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token in SPECIAL else normal for token in tokens])
    writer.add_token_merges(
        [" ".join(merge) if isinstance(merge, list) else merge for merge in described["merges"]]
    )
    writer.add_bos_token_id(tokens.index("<|begin_of_text|>"))
    writer.add_eos_token_id(tokens.index("<|eot_id|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in weights.items():
        writer.add_tensor(name, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
