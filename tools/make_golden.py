#!/usr/bin/env python3
"""Tiny random models of every architecture, with what Hugging Face transformers computes for them.

Writes torch/src/test/resources/golden/<name>/: model.safetensors and config.json as transformers
saves them, and expected.safetensors with
  tokens   int64   [sequences, length]
  mask     int64   [sequences, length], 1 for real tokens
  output   float32 [sequences, length, vocabulary or hidden]: logits, or the last hidden states

Needs torch and transformers; run from the repository's root, with the names to write or none for
all. Nothing in the build runs it.
"""

import shutil
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

OUT = Path("torch/src/test/resources/golden")
LENGTH = 40

# These draw from one sequence of random numbers; every other model has its own.
SEQUENCE = ["llama", "mistral", "qwen2", "qwen3", "bert"]

# Experts of all one tensor, as transformers holds them in memory.
STACKED = ["qwen3moe-stacked"]

COMMON = dict(
    vocab_size=96,
    hidden_size=48,
    intermediate_size=80,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rope_theta=1000.0,
    attn_implementation="eager",
)

# What sets an architecture apart shows in small models as well.
SMALL = dict(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    attn_implementation="eager",
)

LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=1000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)


def models():
    llama = {k: v for k, v in COMMON.items() if k != "rope_theta"}
    yield "llama", LlamaForCausalLM(
        LlamaConfig(**llama, tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE)
    )
    yield "mistral", MistralForCausalLM(
        MistralConfig(**COMMON, tie_word_embeddings=False, sliding_window=9)
    )
    yield "qwen2", Qwen2ForCausalLM(Qwen2Config(**COMMON, tie_word_embeddings=True))
    yield "qwen3", Qwen3ForCausalLM(Qwen3Config(**COMMON, head_dim=20, tie_word_embeddings=False))
    yield "bert", BertModel(
        BertConfig(
            vocab_size=96,
            hidden_size=48,
            intermediate_size=80,
            num_hidden_layers=2,
            num_attention_heads=6,
            max_position_embeddings=64,
            attn_implementation="eager",
        ),
        add_pooling_layer=False,
    )
    experts = {**COMMON, "intermediate_size": 24, "num_experts_per_tok": 2}
    yield "mixtral", MixtralForCausalLM(MixtralConfig(**experts, num_local_experts=5))
    experts |= {"head_dim": 8, "num_experts": 6, "moe_intermediate_size": 16}
    yield "qwen3moe", Qwen3MoeForCausalLM(
        Qwen3MoeConfig(**experts, norm_topk_prob=False, mlp_only_layers=[1])
    )
    yield "qwen3moe-stacked", Qwen3MoeForCausalLM(
        Qwen3MoeConfig(**experts, norm_topk_prob=True, decoder_sparse_step=2)
    )
    gemma = SMALL | dict(head_dim=16, query_pre_attn_scalar=9, sliding_window=7)
    yield "gemma2", Gemma2ForCausalLM(
        Gemma2Config(**gemma, attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
    )
    # The third of three blocks sees everything; linear scaling is for such blocks only.
    yield "gemma3", Gemma3ForCausalLM(
        Gemma3TextConfig(
            **gemma | dict(num_hidden_layers=3),
            sliding_window_pattern=3,
            rope_theta=5000.0,
            rope_local_base_freq=100.0,
            rope_scaling=dict(rope_type="linear", factor=4.0),
        )
    )
    plain = {k: v for k, v in SMALL.items() if k not in ("intermediate_size", "num_key_value_heads")}
    yield "gpt2", GPT2LMHeadModel(GPT2Config(**plain, n_inner=48, bos_token_id=0, eos_token_id=0))
    # All sequences are longer than the original context of the first, and shorter than the second's.
    for name, original in [("phi3", 16), ("phi3-short", 48)]:
        yield name, Phi3ForCausalLM(
            Phi3Config(
                **SMALL,
                sliding_window=11,
                original_max_position_embeddings=original,
                partial_rotary_factor=0.75,
                rope_scaling=dict(
                    type="longrope", short_factor=[1.0, 1.1, 1.3], long_factor=[1.5, 2.0, 4.0]
                ),
                pad_token_id=0,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    for name, before in [("opt", True), ("opt-post", False)]:
        yield name, OPTForCausalLM(OPTConfig(**plain, ffn_dim=48, do_layer_norm_before=before))
    encoder = plain | dict(intermediate_size=48)
    yield "bert-masked", BertForMaskedLM(BertConfig(**encoder))
    neox = plain | dict(intermediate_size=48, rotary_pct=0.5)
    for name, parallel in [("gptneox", True), ("gptneox-sequential", False)]:
        yield name, GPTNeoXForCausalLM(GPTNeoXConfig(**neox, use_parallel_residual=parallel))


def randomize(model, generator):
    """Weights large enough that every part of the model shows in its output."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if parameter.dim() >= 2:
                parameter.copy_(noise * (0.5 if "embed" in name else parameter.shape[-1] ** -0.5))
            elif ("norm" in name.lower() or ".ln_" in name) and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)


def main():
    wanted = sys.argv[1:]
    sequence = torch.Generator().manual_seed(20260101)
    for name, model in models():
        own = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        generator = sequence if name in SEQUENCE else own
        model.eval()
        randomize(model, generator)
        small = model.config.vocab_size == SMALL["vocab_size"]
        if small:
            # Computed in float32 from what is stored; buffers stay as they are.
            for parameter in model.parameters():
                parameter.data = parameter.data.to(torch.bfloat16).float()
        sequences = 1 if small else 2
        tokens = torch.randint(0, model.config.vocab_size, (sequences, LENGTH), generator=generator)
        mask = torch.ones_like(tokens)
        if name == "bert":
            mask[1, 23:] = 0
        with torch.no_grad():
            result = model(input_ids=tokens, attention_mask=mask)
        output = result.last_hidden_state if name == "bert" else result.logits
        if wanted and name not in wanted:
            continue
        directory = OUT / name
        shutil.rmtree(directory, ignore_errors=True)
        if small:
            model.to(torch.bfloat16)
        model.save_pretrained(directory, save_original_format=name not in STACKED)
        (directory / "generation_config.json").unlink(missing_ok=True)
        save_file(
            {"tokens": tokens, "mask": mask, "output": output.float().contiguous()},
            directory / "expected.safetensors",
        )
        print(name, tuple(output.shape), f"std {output.std():.3f}")


if __name__ == "__main__":
    main()
