"""What one layer computes, family by family: GPT-2, Llama (SmolLM2), OPT, GPT-NeoX (Pythia), MPT.

Each class names where transformers keeps the parts of its model and says how a layer uses them; the
walk through the layers, the cache and the copy that is trained are ``transformer.py``'s. Side by
side one sees how little the families differ: where positions enter (an embedding added at the
bottom, a rotation of queries and keys, or a bias on who looks at whom), which norm, which inner
layer. Equal to transformers' own forward: tests/lm/test_families.py.

Positions inside attention are read off ``allowed``: a real token stands where as many as it may
look at, itself left out, stand before it. So padding changes nothing, and no caller has to pass
positions twice.

Shapes: B rows, T new positions, S positions with the cache, d hidden size, H heads, H_kv heads with
keys and values of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from rlhf_core.lm.transformer import KeyValueCache, Transformer

if TYPE_CHECKING:
    from transformers import (
        GPT2LMHeadModel,
        GPTNeoXForCausalLM,
        LlamaForCausalLM,
        MptForCausalLM,
        OPTForCausalLM,
        PreTrainedConfig,
        PreTrainedModel,
    )
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block
    from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXLayer
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer
    from transformers.models.mpt.modeling_mpt import MptBlock
    from transformers.models.opt.modeling_opt import OPTDecoderLayer, OPTLearnedPositionalEmbedding

Rotation = tuple[Tensor, Tensor, Tensor]  # who may look at whom, cosines, sines: Rotary.places


class Unsupported(ValueError):
    """A model of a known family that is built in a way its class here does not compute.

    The message says which.
    """


def refuse(*unsupported: tuple[bool, str]) -> None:
    for found, words in unsupported:
        if found:
            raise Unsupported(words)


def own_output(model: PreTrainedModel) -> nn.Module | None:
    """The model's output layer, or None where it is the token embedding."""
    output = model.get_output_embeddings()
    return None if output.weight is model.get_input_embeddings().weight else output


# --- GPT-2 ----------------------------------------------------------------------------------------


class GPT2(Transformer):
    """Learned positions, layer norm before each half, one matrix for queries, keys and values.

    Source: Radford et al. 2019.
    """

    wpe: nn.Embedding
    bend: nn.Module  # the inner layer's bend

    @classmethod
    def of(cls, model: GPT2LMHeadModel) -> GPT2:
        body, config = model.transformer, model.config
        unusual = config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights
        refuse(
            (unusual, "it scales its attention in an unusual way"),
            (config.add_cross_attention, "it is not a plain decoder"),
        )
        trunk = cls(
            wte=body.wte,
            wpe=body.wpe,
            h=body.h,
            ln_f=body.ln_f,
            heads=config.n_head,
            context=config.n_positions,
            lm_head=own_output(model),
        )
        # transformers' "gelu_new" is this very function in eight steps, each through memory; torch
        # has it in one.
        first: Any = body.h[0]
        slow = config.activation_function == "gelu_new"
        trunk.bend = nn.GELU(approximate="tanh") if slow else first.mlp.act
        return trunk

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        embedded: Tensor = self.wte(ids) + self.wpe(positions)
        return embedded

    def block(
        self,
        block: GPT2Block,
        hidden: Tensor,
        places: Tensor,
        layer: int,
        cache: KeyValueCache | None,
    ) -> Tensor:
        qkv = block.attn.c_attn(block.ln_1(hidden))  # (B, T, 3d)
        # (B, H, T, d/H) each
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        hidden = hidden + block.attn.c_proj(self.attend(q, k, v, places, layer, cache))
        inner: Tensor = block.mlp.c_proj(self.bend(block.mlp.c_fc(block.ln_2(hidden))))
        return hidden + inner


# --- OPT ------------------------------------------------------------------------------------------


class OPT(Transformer):
    """GPT-2 with separate matrices, ReLU, and positions that start at 2.

    Source: Zhang et al. 2022 (arXiv 2205.01068).
    """

    wpe: OPTLearnedPositionalEmbedding

    @classmethod
    def of(cls, model: OPTForCausalLM) -> OPT:
        body, config = model.model.decoder, model.config
        narrow = config.word_embed_proj_dim != config.hidden_size  # opt-350m
        behind = not config.do_layer_norm_before or body.final_layer_norm is None
        refuse(
            (narrow, "its token embedding is narrower than its layers"),
            (behind, "it normalises after each layer instead of before"),
        )
        return cls(
            wte=body.embed_tokens,
            wpe=body.embed_positions,
            h=body.layers,
            ln_f=body.final_layer_norm,
            heads=config.num_attention_heads,
            context=config.max_position_embeddings,
            lm_head=own_output(model),
        )

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        embedded: Tensor = self.wte(ids)
        return embedded + nn.functional.embedding(positions + self.wpe.offset, self.wpe.weight)

    def block(
        self,
        block: OPTDecoderLayer,
        hidden: Tensor,
        places: Tensor,
        layer: int,
        cache: KeyValueCache | None,
    ) -> Tensor:
        x = block.self_attn_layer_norm(hidden)
        q, k, v = (
            split(part(x), self.heads)
            for part in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj)
        )
        hidden = hidden + block.self_attn.out_proj(self.attend(q, k, v, places, layer, cache))
        inner: Tensor = block.fc2(block.activation_fn(block.fc1(block.final_layer_norm(hidden))))
        return hidden + inner


# --- families that rotate queries and keys --------------------------------------------------------


class Rotary(Transformer):
    """Positions as rotations of queries and keys: a product of the two knows their distance.

    Source: Su et al. 2021 (arXiv 2104.09864).
    """

    def __init__(self, *, rotary: nn.Module, **parts: Any):
        super().__init__(**parts)
        self.rotary = rotary  # transformers' own: it knows the scalings that checkpoints ask for

    def places(self, allowed: Tensor) -> Rotation:
        """-> allowed, and the cosine and sine of each new position's angles.

        (B, 1, T, rotated part of d/H) each.
        """
        positions = allowed[:, 0].sum(-1) - 1  # (B, T)
        cos, sin = self.rotary(self.wte.weight, positions)
        return allowed, cos[:, None], sin[:, None]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the first dimensions of each head, as many as there are angles, in pairs (i, i + half).

    (B, H, T, d/H) -> the same.
    """
    turned, rest = x.split([cos.shape[-1], x.shape[-1] - cos.shape[-1]], -1)
    first, second = turned.chunk(2, -1)
    turned = turned * cos + torch.cat([-second, first], -1) * sin
    return torch.cat([turned, rest], -1) if rest.shape[-1] else turned


def refuse_rotations_that_change(config: PreTrainedConfig) -> None:
    kind = config.rope_parameters.get("rope_type", "default")
    refuse(
        (
            kind not in ("default", "linear", "llama3", "yarn"),
            f"its rotary positions are of type {kind!r}, which change with the length of the text",
        )
    )


class Llama(Rotary):
    """RMS norm, a gated inner layer, fewer heads for keys and values than for queries.

    Source: Touvron et al. 2023 (arXiv 2302.13971); SmolLM2 is one.
    """

    @classmethod
    def of(cls, model: LlamaForCausalLM) -> Llama:
        body, config = model.model, model.config
        refuse_rotations_that_change(config)
        return cls(
            wte=body.embed_tokens,
            h=body.layers,
            ln_f=body.norm,
            heads=config.num_attention_heads,
            key_value_heads=config.num_key_value_heads,
            head_size=config.head_dim,
            context=config.max_position_embeddings,
            lm_head=own_output(model),
            rotary=body.rotary_emb,
        )

    def block(
        self,
        block: LlamaDecoderLayer,
        hidden: Tensor,
        places: Rotation,
        layer: int,
        cache: KeyValueCache | None,
    ) -> Tensor:
        allowed, cos, sin = places
        x, attention, mlp = block.input_layernorm(hidden), block.self_attn, block.mlp
        q = rotate(split(attention.q_proj(x), self.heads), cos, sin)
        k = rotate(split(attention.k_proj(x), self.key_value_heads), cos, sin)
        v = split(attention.v_proj(x), self.key_value_heads)
        hidden = hidden + attention.o_proj(self.attend(q, k, v, allowed, layer, cache))
        x = block.post_attention_layernorm(hidden)
        inner: Tensor = mlp.down_proj(mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x))
        return hidden + inner


class GPTNeoX(Rotary):
    """Only a part of each head is rotated; both halves of a layer read the same input (Pythia).

    Source: Black et al. 2022 (arXiv 2204.06745).
    """

    @classmethod
    def of(cls, model: GPTNeoXForCausalLM) -> GPTNeoX:
        body, config = model.gpt_neox, model.config
        refuse_rotations_that_change(config)
        return cls(
            wte=body.embed_in,
            h=body.layers,
            ln_f=body.final_layer_norm,
            heads=config.num_attention_heads,
            context=config.max_position_embeddings,
            lm_head=own_output(model),
            rotary=body.rotary_emb,
        )

    def block(
        self,
        block: GPTNeoXLayer,
        hidden: Tensor,
        places: Rotation,
        layer: int,
        cache: KeyValueCache | None,
    ) -> Tensor:
        allowed, cos, sin = places
        qkv = block.attention.query_key_value(block.input_layernorm(hidden))
        q, k, v = split(qkv, self.heads).chunk(3, -1)  # (B, H, T, d/H) each
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed: Tensor = block.attention.dense(self.attend(q, k, v, allowed, layer, cache))
        read = hidden if block.use_parallel_residual else hidden + mixed
        inner: Tensor = block.mlp(block.post_attention_layernorm(read))
        return hidden + mixed + inner


# --- MPT ------------------------------------------------------------------------------------------


class MPT(Transformer):
    """No positions: who stands further back is looked at less, by a slope a head (ALiBi).

    Source: Press et al. 2021 (arXiv 2108.12409).
    """

    steepest: int  # the largest slope is 2 to the minus this, over the heads

    @classmethod
    def of(cls, model: MptForCausalLM) -> MPT:
        body, config = model.transformer, model.config
        attention: Any = config.attn_config
        refuse(
            (not attention.alibi, "it has learned positions instead of ALiBi"),
            (
                attention.qk_ln
                or attention.attn_type != "multihead_attention"
                or attention.prefix_lm,
                "its attention is not plain multi-head attention",
            ),
            (config.logit_scale is not None, "it scales its logits"),
        )
        trunk = cls(
            wte=body.wte,
            h=body.blocks,
            ln_f=body.norm_f,
            heads=config.n_heads,
            context=config.max_seq_len,
            lm_head=own_output(model),
        )
        trunk.steepest = attention.alibi_bias_max
        return trunk

    def places(self, allowed: Tensor) -> Tensor:
        """-> what is added to the scores, (B, H, T, S).

        Slope times how far to the left a key stands; -inf where looking is not allowed.
        """
        from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

        # (H, 1, S)
        slopes: Tensor = build_mpt_alibi_tensor(self.heads, allowed.shape[-1], self.steepest)
        return slopes.masked_fill(~allowed, -torch.inf)

    def block(
        self,
        block: MptBlock,
        hidden: Tensor,
        places: Tensor,
        layer: int,
        cache: KeyValueCache | None,
    ) -> Tensor:
        qkv = block.attn.Wqkv(block.norm_1(hidden))  # (B, T, 3d)
        if block.attn.clip_qkv:
            qkv = qkv.clamp(-block.attn.clip_qkv, block.attn.clip_qkv)
        q, k, v = (split(part, self.heads) for part in qkv.chunk(3, -1))
        hidden = hidden + block.attn.out_proj(
            self.attend(q, k, v, places, layer, cache, block.attn.softmax_scale)
        )
        inner: Tensor = block.ffn.down_proj(block.ffn.act(block.ffn.up_proj(block.norm_2(hidden))))
        return hidden + inner


# --- which is which -------------------------------------------------------------------------------


def split(x: Tensor, heads: int) -> Tensor:
    """(B, T, d) -> (B, H, T, d/H)."""
    per_head: Tensor = x.unflatten(-1, (heads, -1))
    return per_head.transpose(1, 2)


class Family(Protocol):
    def of(self, model: Any) -> Transformer:
        """The parts of the family's own model, shared, not copied. Raises Unsupported."""


# By config.model_type, which is also the allow-list of ``language_model.load``.
FAMILIES: dict[str, Family] = {
    "gpt2": GPT2,
    "llama": Llama,
    "opt": OPT,
    "gpt_neox": GPTNeoX,
    "mpt": MPT,
}


def trunk_of(model: PreTrainedModel) -> Transformer:
    """The parts of a transformers ``...ForCausalLM``, shared, not copied. Raises Unsupported."""
    return FAMILIES[model.config.model_type].of(model)
