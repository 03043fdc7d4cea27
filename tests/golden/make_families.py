"""Writes families/<name>/: for every model family a tiny random model, and what it does with a padded batch.

Computed in float32 with eager attention. The second row ends in padding; positions that are padded have no label, and their
logits are stored as 0, because nobody promises what they are. The padding row of tables takes part in training (padding_idx
is off): where a loss looks at padded positions, as that of spans does, torch would hide that row's gradient.
"""

import logging
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf

from golden_file import HERE, generator_of, save, seed_of
from make_models import randomise

BATCH, LENGTH, PADDED, VOCABULARY = 2, 20, 6, 99
PROMPT, NEW_TOKENS, STEPS = 8, 16, 5
ADAMW = {"lr": 1e-2, "betas": (0.9, 0.95), "eps": 1e-6, "weight_decay": 0.1}

PLAIN = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
MODERN = PLAIN | SIZES | {"intermediate_size": 40, "num_key_value_heads": 2}
QUIET = {"attention_dropout": 0.0, "hidden_dropout": 0.0}
BERT = SIZES | {
    "vocab_size": VOCABULARY, "intermediate_size": 40, "pad_token_id": 1, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "dropout": 0.0, "decoder_start_token_id": 2,
    "vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": None, "eos_token_id": None, "forced_eos_token_id": None,
}  # fmt: skip
T5 = {
    "vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12, "eos_token_id": None, "pad_token_id": 1,
    "decoder_start_token_id": 1,
}  # fmt: skip
DEBERTA = BERT | {
    "relative_attention": True, "position_buckets": 6, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
    "max_relative_positions": -1, "pooler_dropout": 0.0,
}  # fmt: skip
MODERNBERT = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64, "local_attention": 8, "global_attn_every_n_layers": 3, "pad_token_id": 1, "bos_token_id": None,
    "eos_token_id": None, "cls_token_id": None, "sep_token_id": None, "reference_compile": False,
}  # fmt: skip
LONGFORMER = BERT | {"attention_window": [4, 6], "max_position_embeddings": 66, "sep_token_id": 2}
LABELS = {"num_labels": 3}

DECODERS = {
    "opt": hf.OPTConfig(
        **PLAIN, hidden_size=32, num_hidden_layers=2, ffn_dim=40, max_position_embeddings=64, num_attention_heads=4,
        dropout=0.0, word_embed_proj_dim=32,
    ),
    "gpt_neox": hf.GPTNeoXConfig(**PLAIN, **SIZES, **QUIET, intermediate_size=40, rotary_pct=0.5),
    "gpt_neox_sequential": hf.GPTNeoXConfig(
        **PLAIN, **SIZES, **QUIET, intermediate_size=40, rotary_pct=0.25, use_parallel_residual=False
    ),
    "gptj": hf.GPTJConfig(
        **PLAIN, n_positions=64, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_inner=40, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
    "codegen": hf.CodeGenConfig(
        **PLAIN, n_positions=64, n_ctx=64, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_inner=40, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0,
    ),
    "bloom": hf.BloomConfig(**PLAIN, hidden_size=32, n_layer=2, n_head=4),
    "llama_llama3": hf.LlamaConfig(
        **MODERN,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    ),
    "llama_linear": hf.LlamaConfig(**MODERN, rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}),
    "mistral": hf.MistralConfig(**MODERN, sliding_window=6),
    "qwen2": hf.Qwen2Config(**MODERN, tie_word_embeddings=True),
    "qwen2_yarn": hf.Qwen2Config(
        **MODERN,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0,
        },
    ),
    "qwen3": hf.Qwen3Config(**MODERN, head_dim=12),
    "qwen3_yarn": hf.Qwen3Config(
        **MODERN, head_dim=12,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0,
            "mscale": 1.5, "mscale_all_dim": 0.5, "truncate": False,
        },
    ),
    "gemma": hf.GemmaConfig(**MODERN, head_dim=12),
    "gemma2": hf.Gemma2Config(**MODERN, head_dim=12, sliding_window=6, query_pre_attn_scalar=10),
    "gpt_bigcode": hf.GPTBigCodeConfig(
        **PLAIN, n_positions=64, n_embd=32, n_layer=2, n_head=4, n_inner=40, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0
    ),
    "starcoder2": hf.Starcoder2Config(**MODERN, sliding_window=6, residual_dropout=0.0, embedding_dropout=0.0),
    "xglm": hf.XGLMConfig(
        **PLAIN | {"pad_token_id": 1}, max_position_embeddings=64, d_model=32, ffn_dim=40, num_layers=2, attention_heads=4,
        dropout=0.0, attention_dropout=0.0,
    ),
}  # fmt: skip
ENCODERS = {
    "bert": (hf.BertForPreTraining, hf.BertConfig(**BERT)),
    "bert_sequence": (hf.BertForSequenceClassification, hf.BertConfig(**BERT, **LABELS)),
    "bert_regression": (hf.BertForSequenceClassification, hf.BertConfig(**BERT, num_labels=1)),
    "bert_token": (hf.BertForTokenClassification, hf.BertConfig(**BERT, **LABELS)),
    "bert_choice": (hf.BertForMultipleChoice, hf.BertConfig(**BERT)),
    "bert_span": (hf.BertForQuestionAnswering, hf.BertConfig(**BERT)),
    "roberta": (hf.RobertaForMaskedLM, hf.RobertaConfig(**BERT)),
    "roberta_sequence": (hf.RobertaForSequenceClassification, hf.RobertaConfig(**BERT, **LABELS)),
    "electra": (hf.ElectraForPreTraining, hf.ElectraConfig(**BERT, embedding_size=16)),
    "electra_generator": (hf.ElectraForMaskedLM, hf.ElectraConfig(**BERT, embedding_size=16)),
    "electra_sequence": (hf.ElectraForSequenceClassification, hf.ElectraConfig(**BERT, embedding_size=16, **LABELS)),
    "distilbert": (
        hf.DistilBertForMaskedLM,
        hf.DistilBertConfig(
            vocab_size=VOCABULARY, max_position_embeddings=64, n_layers=2, n_heads=4, dim=32, hidden_dim=40, dropout=0.0,
            attention_dropout=0.0, pad_token_id=1,
        ),
    ),
    "distilbert_sequence": (
        hf.DistilBertForSequenceClassification,
        hf.DistilBertConfig(
            vocab_size=VOCABULARY, max_position_embeddings=64, n_layers=2, n_heads=4, dim=32, hidden_dim=40, dropout=0.0,
            attention_dropout=0.0, pad_token_id=1, seq_classif_dropout=0.0, **LABELS,
        ),
    ),
    "albert": (hf.AlbertForPreTraining, hf.AlbertConfig(**BERT, embedding_size=16, classifier_dropout_prob=0.0)),
    "albert_sequence": (
        hf.AlbertForSequenceClassification, hf.AlbertConfig(**BERT, embedding_size=16, classifier_dropout_prob=0.0, **LABELS)
    ),
    "modernbert": (hf.ModernBertForMaskedLM, hf.ModernBertConfig(**MODERNBERT)),
    "modernbert_sequence": (hf.ModernBertForSequenceClassification, hf.ModernBertConfig(**MODERNBERT, **LABELS)),
    "deberta_v2": (hf.DebertaV2ForMaskedLM, hf.DebertaV2Config(**DEBERTA)),
    "deberta_v2_sequence": (hf.DebertaV2ForSequenceClassification, hf.DebertaV2Config(**DEBERTA, **LABELS)),
    "longformer": (hf.LongformerForMaskedLM, hf.LongformerConfig(**LONGFORMER)),
    "longformer_span": (hf.LongformerForQuestionAnswering, hf.LongformerConfig(**LONGFORMER)),
}  # fmt: skip
SEQ2SEQ = {
    "t5": (hf.T5ForConditionalGeneration, hf.T5Config(**T5)),
    "flan_t5": (
        hf.T5ForConditionalGeneration, hf.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    ),
    "bart": (hf.BartForConditionalGeneration, hf.BartConfig(**BART)),
    "marian": (hf.MarianMTModel, hf.MarianConfig(**BART, activation_function="swish", scale_embedding=True)),
    "mbart": (hf.MBartForConditionalGeneration, hf.MBartConfig(**BART, scale_embedding=True)),
    "pegasus": (hf.PegasusForConditionalGeneration, hf.PegasusConfig(**BART, activation_function="relu", scale_embedding=True)),
}  # fmt: skip


def curve(model, inputs, loss_of):
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW, foreach=False, fused=False)
    losses = []
    for _ in range(STEPS):
        loss = loss_of(model(**inputs))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def greedy(model, **inputs):
    """The new ids of greedy decoding with cache, and the smallest lead of a winner over its runner-up."""
    out = model.generate(
        **inputs, do_sample=False, max_new_tokens=NEW_TOKENS, use_cache=True, pad_token_id=0, output_logits=True,
        return_dict_in_generate=True, eos_token_id=None,
    )  # fmt: skip
    best = torch.stack(out.logits).topk(2, -1).values
    return out.sequences[0, -NEW_TOKENS:], (best[..., 0] - best[..., 1]).min().item()


def logits_of(output):
    """Every head's logits by name, e.g. prediction_logits and seq_relationship_logits of a pretraining BERT."""
    keys = ("logits", "prediction_logits", "seq_relationship_logits", "sop_logits", "start_logits", "end_logits")
    return {key: output[key] for key in keys if key in output}


def batch_of(name, generator):
    """A padded batch, its inputs and the labels of the family's loss."""
    mask = torch.ones(BATCH, LENGTH, dtype=torch.long)
    mask[1, LENGTH - PADDED :] = 0
    ids = torch.randint(3, VOCABULARY, (BATCH, LENGTH), generator=generator)
    ids[mask == 0] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    labels = ids.masked_fill(mask == 0, -100)
    if name in DECODERS:
        return inputs | {"labels": labels}
    if name in SEQ2SEQ:
        targets = torch.randint(3, VOCABULARY, (BATCH, 12), generator=generator)
        targets[1, 9:] = -100
        return inputs | {"labels": targets}
    family, _, head = name.partition("_")
    if name.endswith("_sequence"):
        return inputs | {"labels": torch.tensor([2, 0])}
    if name.endswith("_regression"):
        return inputs | {"labels": torch.tensor([0.5, -1.5])}
    if name.endswith("_token"):
        return inputs | {"labels": labels.where(labels < 0, labels % 3)}
    if name.endswith("_choice"):
        choices = {key: value[:, None].expand(-1, 3, -1).clone() for key, value in inputs.items()}
        choices["input_ids"][:, 1] = choices["input_ids"][:, 1].flip(-1).roll(-PADDED, -1).where(mask == 1, ids)
        choices["input_ids"][:, 2, 3] = 50
        return choices | {"labels": torch.tensor([1, 2])}
    if name.endswith("_span"):
        spans = {"start_positions": torch.tensor([3, 2]), "end_positions": torch.tensor([5, 9])}
        if family == "longformer":
            inputs["global_attention_mask"] = (torch.arange(LENGTH) < 3).long().expand(BATCH, -1).clone()
        return inputs | spans
    if name == "electra":
        return inputs | {"labels": labels.where(labels < 0, labels % 2)}
    hidden = torch.arange(LENGTH) % 3 == 1
    inputs |= {"labels": labels.where(hidden, torch.tensor(-100))}
    inputs["input_ids"] = ids.where(~hidden | (mask == 0), torch.tensor(2))
    if name == "bert":
        inputs["token_type_ids"] = (torch.arange(LENGTH) > 8).long().expand(BATCH, -1).clone()
        inputs["next_sentence_label"] = torch.tensor([1, 0])
    if name == "albert":
        inputs["sentence_order_label"] = torch.tensor([1, 0])
    if name == "longformer":
        inputs["global_attention_mask"] = torch.zeros(BATCH, LENGTH, dtype=torch.long)
        inputs["global_attention_mask"][:, [0, 9]] = 1
    return inputs


def saved_name(name, key):
    """transformers 5 calls every output table lm_head in memory, and GPT-NeoX's embed_out in files."""
    return key.replace("lm_head", "embed_out") if name.startswith("gpt_neox") else key


def attempt(name, salt):
    generator = generator_of(name + "#" * salt)
    make, config = (hf.AutoModelForCausalLM.from_config, DECODERS[name]) if name in DECODERS else (ENCODERS | SEQ2SEQ)[name]
    if name in DECODERS:
        model = make(config, attn_implementation="eager", dtype=torch.float32)
    else:
        config._attn_implementation = "eager"
        model = make(config)
    model = model.eval()
    randomise(model, generator)
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None
            if hasattr(module, "create_weight"):  # Marian's sines are a parameter that is neither trained nor saved
                module.weight.data.copy_(module.create_weight())
    for key, buffer in model.named_buffers():
        if key == "final_logits_bias":
            buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
    inputs = batch_of(name, generator)
    tensors = dict(inputs)
    if name not in ENCODERS:
        prompt = inputs["input_ids"][:1, :PROMPT]
        with torch.no_grad():
            ids, lead = greedy(model, input_ids=prompt, attention_mask=torch.ones_like(prompt))
        if lead < 1e-3:
            return attempt(name, salt + 1)
        tensors["greedy_ids"] = ids

    folder = HERE / "families" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    output = model(**inputs)
    output.loss.backward()
    tensors["loss"] = output.loss
    for key, logits in logits_of(output).items():
        if logits.shape[:2] == (BATCH, LENGTH):
            hidden = inputs["attention_mask"] == 0
            logits = logits.masked_fill(hidden[..., None] if logits.dim() == 3 else hidden, 0.0)
        tensors[key] = logits
    tensors |= {
        f"grad.{saved_name(name, key)}": torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for key, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    tensors["losses"] = curve(model, inputs, lambda out: out.loss)
    beta1, beta2 = ADAMW["betas"]
    rates = {key: value for key, value in ADAMW.items() if key != "betas"}
    save(
        folder / "golden.safetensors", tensors, f"with transformers {hf.__version__} {type(model).__name__} in float32",
        model=name, attention="eager", seed=seed_of(name + "#" * salt), beta1=beta1, beta2=beta2, **rates,
    )  # fmt: skip
    return None


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    hf.utils.logging.disable_progress_bar()
    chosen = sys.argv[1:] or [*DECODERS, *ENCODERS, *SEQ2SEQ]
    for each in chosen:
        try:
            attempt(each, 0)
        except Exception as error:
            if "-k" not in os.environ.get("GOLDEN", ""):
                raise
            print(each, repr(error)[:300], file=sys.stderr)
