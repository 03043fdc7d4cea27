"""Writes models/<name>/: a tiny model with random weights (config.json, model.safetensors) and golden.safetensors, what it does.

The model runs in f32 with eager attention. Keys that end in 64 are the same quantity computed in float64 from the same
weights: their distance from the f32 ones says how far apart two honest f32 implementations may be.
"""

import copy
import logging
import os
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from torch.overrides import TorchFunctionMode
from transformers import GPT2Config, GPTNeoConfig, LlamaConfig

from golden_file import HERE, generator_of, save, seed_of

BATCH, LENGTH, VOCABULARY = 2, 24, 101
PROMPT, NEW_TOKENS = 8, 16
STEPS = 10
ADAMW = {"lr": 1e-2, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}

# No end token: greedy decoding then runs its full length.
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "initializer_range": 0.2}
LLAMA = COMMON | {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 56,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
CONFIGS = {
    "gpt_neo": GPTNeoConfig(
        **COMMON,
        hidden_size=32,
        num_layers=4,
        num_heads=4,
        attention_types=[[["global", "local"], 2]],
        window_size=8,
        max_position_embeddings=64,
        intermediate_size=64,
        classifier_dropout=0.0,
    ),
    "gpt2": GPT2Config(
        **COMMON,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        summary_first_dropout=0.0,
    ),
    "llama": LlamaConfig(**LLAMA, tie_word_embeddings=True),
    "llama_untied": LlamaConfig(**LLAMA, tie_word_embeddings=False),
}


class Float64Only(TorchFunctionMode):
    """Turns every request for f32 into float64 (models ask for f32 inside norms and softmax) and lets no f32 through."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        function = torch.Tensor.double if function is torch.Tensor.float else function
        args = [self.widen(value) for value in args]
        kwargs = {name: self.widen(value) for name, value in (kwargs or {}).items()}
        result = function(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.dtype == torch.float32:
            raise TypeError(f"{function} computed in float32")
        return result

    @staticmethod
    def widen(value):
        return torch.float64 if value is torch.float32 else value


def randomise(model, generator):
    """Every parameter is N(0, 0.2), norm weights 1 + that: no bias is 0 and no gain 1, so none can be forgotten unseen."""
    for name, parameter in model.named_parameters():
        drawn = 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        is_gain = name.endswith("weight") and parameter.dim() == 1
        parameter.data.copy_(drawn + 1.0 if is_gain else drawn)


def adamw_curve(model, ids):
    """The loss before each of the steps on the one batch; parameters that are tied are one parameter."""
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW, foreach=False, fused=False)
    losses = []
    for _ in range(STEPS):
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def greedy(model, prompt):
    """The new ids of greedy decoding without a cache, and the smallest lead of a winner over its runner-up."""
    ids, leads = prompt[None], []
    for _ in range(NEW_TOKENS):
        best = model(input_ids=ids).logits[0, -1].topk(2)
        leads.append((best.values[0] - best.values[1]).item())
        ids = torch.cat((ids, best.indices[None, :1]), 1)
    generated = model.generate(
        prompt[None], attention_mask=torch.ones_like(prompt[None]), do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0
    )
    assert torch.equal(ids, generated), "greedy decoding differs from generate()"
    return ids[0, PROMPT:], min(leads)


def write(name, config):
    generator = generator_of(name)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    randomise(model, generator)
    ids = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=generator)
    double = copy.deepcopy(model).double()

    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    with torch.no_grad():
        greedy_ids, lead = greedy(model, ids[0, :PROMPT])
    assert lead > 1e-2, f"{name}: a greedy choice is nearly a tie ({lead}), take another seed"
    output = model(input_ids=ids, labels=ids)
    output.loss.backward()
    tensors = {"input_ids": ids, "labels": ids.clone(), "logits": output.logits, "loss": output.loss, "greedy_ids": greedy_ids}
    tensors |= {f"grad.{key}": parameter.grad.clone() for key, parameter in model.named_parameters()}
    with Float64Only():
        output = double(input_ids=ids, labels=ids)
        tensors |= {"logits64": output.logits, "loss64": output.loss, "losses64": adamw_curve(double, ids)}
    tensors["losses"] = adamw_curve(model, ids)

    beta1, beta2 = ADAMW["betas"]
    rates = {key: value for key, value in ADAMW.items() if key != "betas"}
    save(
        folder / "golden.safetensors",
        tensors,
        f"with transformers {transformers.__version__} {type(model).__name__} in float32",
        model=name,
        attention="eager",
        prompt=PROMPT,
        new_tokens=NEW_TOKENS,
        greedy_lead=f"{lead:.4f}",
        steps=STEPS,
        optimizer="adamw",
        beta1=beta1,
        beta2=beta2,
        seed=seed_of(name),
        **rates,
    )


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    for each, its_config in CONFIGS.items():
        write(each, its_config)
