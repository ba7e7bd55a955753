"""Make a small Qwen3-VL fast on a processor, without changing what it computes.

1. Grey images. The patch embedding multiplies 3 channels x 2 frames x 16 x 16 values of a patch, and for a grey still image
   the six copies are equal. Adding up the kernel over channels and frames first gives the same sum from a sixth of the
   products. Each batch is checked: images in colour take the published way.
2. Attention. In bfloat16 the vision tower's few patches go faster through plain matrix products than through the fused kernel, and
   language's long rows the other way (8 conversations of 897 tokens, one layer, forward and backward: 0.23 CPU s fused, 0.72 plain;
   one run). In float32 the fused kernel is the faster one: vision forward and backward 121 CPU ms an image with it, 138 without, in
   turn, their ratio 1.15 (middle 95 % of 30 rounds 1.02 to 1.36; 304 px, one AVX2 core, load 2.5 to 3.8;
   `python benchmarks/attention.py --rounds 30`).

Measured on one core of an AMD EPYC, nano, 304 x 304 px, bfloat16: vision forward and backward 13.0 -> 18.6 images per second.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch.nn import functional
from transformers import Qwen3VLForConditionalGeneration

from chiasm.models._environment import fast_bf16


def install_quick(model: Any) -> None:
    """Make a model fast on a processor; models of other families are left alone."""
    if not isinstance(model, Qwen3VLForConditionalGeneration):
        return
    embed = model.model.visual.patch_embed
    embed.forward = MethodType(_embed, embed)
    model.set_attn_implementation({"vision_config": "eager" if fast_bf16() else "sdpa", "text_config": "sdpa"})


def _embed(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """(n, channels * frames * side * side) patches to (n, width)."""
    kernel = self.proj.weight
    copies = kernel.shape[1] * kernel.shape[2]
    patches = hidden_states.view(-1, copies, kernel.shape[3] * kernel.shape[4])
    first = patches[:, :1]
    if torch.equal(patches, first.expand_as(patches)):
        grey = kernel.view(kernel.shape[0], copies, -1).sum(1)
        return functional.linear(first[:, 0].to(kernel.dtype), grey, self.proj.bias)
    return functional.linear(
        hidden_states.view(len(patches), -1).to(kernel.dtype), kernel.view(len(kernel), -1), self.proj.bias
    )
