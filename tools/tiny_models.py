#!/usr/bin/env python3
"""Tiny random models of the architectures that llama.cpp has too, with the embedded model's tokenizer.

Usage: tools/tiny_models.py OUT    writes OUT/<name>/, a directory in Hugging Face's layout each
Needs torch and transformers; run from the repository's root. Used by check_llama_cpp_architectures.sh.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

EMBEDDED = Path("model/src/main/resources/ai/lathe/model/embedded")


def models():
    vocabulary = json.loads((EMBEDDED / "config.json").read_text())["vocab_size"]
    common = dict(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    plain = {k: v for k, v in common.items() if k not in ("intermediate_size", "num_key_value_heads")}
    # llama.cpp takes the scale from the head size, and gemma3's window from every sixth block on.
    gemma = common | dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=20)
    yield "mistral", MistralForCausalLM(MistralConfig(**common, sliding_window=None))
    yield "gemma2", Gemma2ForCausalLM(Gemma2Config(**gemma, attn_logit_softcapping=2.0, final_logit_softcapping=3.0))
    yield "gemma3", Gemma3ForCausalLM(
        Gemma3TextConfig(**gemma | dict(num_hidden_layers=7), rope_theta=50000.0, rope_local_base_freq=500.0)
    )
    yield "gemma3-every-third", Gemma3ForCausalLM(Gemma3TextConfig(**gemma, sliding_window_pattern=3))
    yield "gpt2", GPT2LMHeadModel(GPT2Config(**plain))
    yield "gptneox", GPTNeoXForCausalLM(GPTNeoXConfig(**plain, rotary_pct=0.5))
    yield "gptneox-sequential", GPTNeoXForCausalLM(GPTNeoXConfig(**plain, use_parallel_residual=False))
    # llama.cpp chooses the factors by the size of the context, which it rounds up to 256. Of a model with phi3 in its
    # name it expects certain tokens.
    for name, original in [("longrope-beyond", 64), ("longrope-within", 512)]:
        yield name, Phi3ForCausalLM(
            Phi3Config(
                **common,
                original_max_position_embeddings=original,
                partial_rotary_factor=0.75,
                rope_scaling=dict(
                    type="longrope",
                    short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                    long_factor=[1.5, 2.0, 4.0, 5.0, 6.0, 8.0],
                ),
            )
        )


def main():
    out = Path(sys.argv[1])
    torch.manual_seed(20260102)
    for name, model in models():
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 2:
                    parameter.normal_(0, 0.5 if parameter.shape[0] >= 256 else 0.25)
                else:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        model.save_pretrained(out / name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(EMBEDDED / file, out / name)


if __name__ == "__main__":
    main()
