"""Reads every committed golden file back, with numpy alone, and checks that it is what README.md says. Prints one line.

Keys and shapes come from the table below; attention is also computed anew from the metadata by the formula, so that a
reader who trusts the metadata alone gets the stored mask, o and lse.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

HERE = Path(__file__).resolve().parent
FILE_LIMIT, TOTAL_LIMIT = 500_000, 12_000_000

# Per op: key -> its dimensions by name; '?' marks a key that only some cases have. A name means one size per file.
NORM = {
    "x": "N D", "weight": "D", "y": "N D", "rstd": "N", "dy": "N D", "dx": "N D", "dweight": "D",
    "bias?": "D", "dbias?": "D", "residual?": "N D", "s?": "N D", "ds?": "N D",
}  # fmt: skip
SHAPES = {
    "attention": {
        "q": "B Hq T D", "k": "B Hk S D", "v": "B Hk S D", "o": "B Hq T D", "do": "B Hq T D", "lse": "B Hq T",
        "dq": "B Hq T D", "dk": "B Hk S D", "dv": "B Hk S D", "mask": "... T S", "slopes?": "Hq", "documents?": "B S",
    },
    "layer_norm": NORM | {"mean": "N"},
    "rms_norm": NORM,
    "bias_act": {"x": "N D", "bias": "D", "y": "N D", "dy": "N D", "dx": "N D", "dbias": "D"},
    "glu": {"x": "N 2D", "bias": "2D", "y": "N D", "dy": "N D", "dx": "N 2D", "dbias": "2D"},
    "rotary": {"x": "B H T D", "positions": "T", "inv_freq": "R", "y": "B H T D", "dy": "B H T D", "dx": "B H T D"},
    "cross_entropy": {"logits": "N V", "targets": "N", "loss": "N", "lse": "N", "mean_loss": "1", "dlogits": "N V"},
    "embedding": {"table": "V D", "ids": "B T", "y": "B T D", "dy": "B T D", "dtable": "V D"},
    "softmax": {"x": "N D", "y": "N D", "dy": "N D", "dx": "N D"},
    "clip_grad_norm": {"total_norm": "1"} | {f"{key}_{i}": f"n{i} ..." for i in range(4) for key in ("g", "clipped")},
    "adamw": {"a.param_init": "Na", "b.param_init": "Nb Mb"}
    | {
        f"{name}.{key}_{step}": shape
        for name, shape in (("a", "Na"), ("b", "Nb Mb"))
        for key in ("g", "param", "exp_avg", "exp_avg_sq")
        for step in range(10)
    },
}  # fmt: skip
TYPES = {"mask": "uint8"} | dict.fromkeys(("documents", "positions", "targets", "ids", "input_ids", "labels", "greedy_ids"), "int32")
INFINITE = {("attention", "lse"), ("softmax", "x")}


def read(path):
    with safe_open(path, "numpy") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()


def check_values(tensors, op):
    for key, tensor in tensors.items():
        expected = TYPES.get(key, "float32")
        assert tensor.dtype == expected, f"{key} is {tensor.dtype}, not {expected}"
        assert tensor.size > 0 and tensor.ndim > 0, f"{key} has shape {tensor.shape}"
        assert not np.isnan(tensor).any(), f"{key} holds a NaN"
        assert (op, key) in INFINITE or np.isfinite(tensor).all(), f"{key} holds an infinity"


def check_shapes(tensors, shapes):
    required = {key for key in shapes if not key.endswith("?")}
    allowed = {key.rstrip("?") for key in shapes}
    assert required <= tensors.keys() <= allowed, f"missing {required - tensors.keys()}, unknown {tensors.keys() - allowed}"
    sizes = {"1": 1}
    for key, dims in shapes.items():
        tensor = tensors.get(key.rstrip("?"))
        if tensor is None:
            continue
        dims = dims.split()
        named = tensor.shape
        if dims[0] == "...":
            dims, named = dims[1:], named[len(named) - len(dims) + 1 :]
        elif dims[-1] == "...":
            dims, named = dims[:-1], named[: len(dims) - 1]
        assert len(named) == len(dims), f"{key} has shape {tensor.shape}"
        for dim, size in zip(dims, named):
            assert sizes.setdefault(dim, size) == size, f"{key}: {dim} is {size} here and {sizes[dim]} elsewhere"
    assert "2D" not in sizes or sizes["2D"] == 2 * sizes["D"], "a packed row is not two rows wide"
    return sizes


def is_seen(rule, qp, k):
    """The mask by the metadata of one file (without documents), one query position and key at a time."""
    distance = qp - k
    if rule["causal"] and distance < 0:
        return False
    if rule["block"] and qp // rule["block"] != k // rule["block"]:
        return False
    if k < rule["global_tokens"] or qp < rule["global_tokens"]:
        return True
    left, right = rule["window_left"], rule["window_right"]
    return (left < 0 or distance <= left) and (right < 0 or -distance <= right) and distance % rule["dilation"] == 0


def check_attention(tensors, metadata, sizes):
    whole = ("causal", "window_left", "window_right", "dilation", "global_tokens", "block", "B", "Hq", "Hk", "T", "S", "D")
    rule = {key: json.loads(metadata[key]) for key in whole}
    assert all(rule[dim] == sizes[dim] for dim in ("B", "Hq", "Hk", "T", "S", "D")), "metadata gives other sizes"
    T, S = rule["T"], rule["S"]
    seen = np.array([[is_seen(rule, q + S - T, k) for k in range(S)] for q in range(T)])
    if "documents" in tensors:
        documents = tensors["documents"]
        seen = seen & (documents[:, :, None] == documents[:, None, :])
    assert (tensors["mask"] == seen).all(), "the mask is not the one that the metadata describes"

    q, k, v = (tensors[key].astype(np.float64) for key in "qkv")
    group = rule["Hq"] // rule["Hk"]
    score = float(metadata["scale"]) * q @ k.repeat(group, 1).swapaxes(-1, -2)
    softcap = float(metadata["softcap"])
    score = softcap * np.tanh(score / softcap) if softcap else score
    if "slopes" in tensors:
        score -= tensors["slopes"][:, None, None] * abs(np.arange(T)[:, None] + S - T - np.arange(S))
    seen = seen[:, None] if seen.ndim == 3 else seen
    score = np.where(seen, score, -1e30)
    top = score.max(-1, keepdims=True)
    weight = np.where(seen, np.exp(score - top), 0.0)
    total = weight.sum(-1, keepdims=True)
    o = weight / np.where(total == 0, 1, total) @ v.repeat(group, 1)
    with np.errstate(divide="ignore"):
        lse = (top + np.log(total))[..., 0]
    np.testing.assert_allclose(tensors["o"], o, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(tensors["lse"], lse, rtol=1e-6, atol=1e-6)


def check_op(path):
    tensors, metadata = read(path)
    check_values(tensors, metadata["op"])
    sizes = check_shapes(tensors, SHAPES[metadata["op"]])
    assert metadata["source"].startswith("torch "), "no source"
    if metadata["op"] == "attention":
        check_attention(tensors, metadata, sizes)


def check_model(folder):
    config = json.loads((folder / "config.json").read_text())
    weights, _ = read(folder / "model.safetensors")
    tensors, metadata = read(folder / "golden.safetensors")
    check_values(weights, "model")
    check_values(tensors, "model")
    gradients = {f"grad.{key}": "".join(f"{key}{i} " for i in range(weight.ndim)) for key, weight in weights.items()}
    shapes = {"input_ids": "B T", "labels": "B T", "logits": "B T V", "logits64": "B T V", "loss": "1", "loss64": "1"}
    sizes = check_shapes(tensors, shapes | {"greedy_ids": "G", "losses": "steps", "losses64": "steps"} | gradients)
    assert all(tensors[f"grad.{key}"].shape == weight.shape for key, weight in weights.items()), "a gradient of another shape"
    assert sizes["V"] == config["vocab_size"] and sizes["steps"] == int(metadata["steps"])
    assert tensors["losses"][0] == tensors["loss"][0], "the curve does not start at the loss"
    for key in ("logits", "loss", "losses"):
        np.testing.assert_allclose(tensors[key], tensors[f"{key}64"], rtol=1e-4, atol=1e-4)
    logits, labels = tensors["logits64"][:, :-1].astype(np.float64), tensors["labels"][:, 1:]
    chosen = np.take_along_axis(logits, labels[..., None], -1)[..., 0]
    np.testing.assert_allclose((np.log(np.exp(logits).sum(-1)) - chosen).mean(), tensors["loss64"][0], rtol=1e-6)


def check_family(folder):
    weights, _ = read(folder / "model.safetensors")
    tensors, metadata = read(folder / "golden.safetensors")
    check_values(weights, "model")
    assert all(np.isfinite(value).all() for value in tensors.values()), "not finite"
    gradients = {key.removeprefix("grad."): value for key, value in tensors.items() if key.startswith("grad.")}
    trained = {key: value for key, value in weights.items() if key != "final_logits_bias"}
    assert {key: value.shape for key, value in gradients.items()} == {key: value.shape for key, value in trained.items()}
    assert metadata["model"] == folder.name and (folder / "config.json").exists()
    assert tensors["losses"].shape == (5,) and tensors["losses"][0] == tensors["loss"][0], "the curve does not start at the loss"
    mask, logits = tensors["attention_mask"], tensors.get("logits")
    if logits is not None and logits.shape[: mask.ndim] == mask.shape:
        assert not logits[mask == 0].any(), "a padded position has logits"
    if "ForCausalLM" in metadata["source"] and logits is not None:
        scores, labels = logits[:, :-1].astype(np.float64), tensors["labels"][:, 1:]
        counted = labels >= 0
        chosen = np.take_along_axis(scores, np.where(counted, labels, 0)[..., None], -1)[..., 0]
        losses = np.log(np.exp(scores).sum(-1)) - chosen
        np.testing.assert_allclose(losses[counted].mean(), tensors["loss"][0], rtol=1e-5)


def main():
    ops = sorted((HERE / "ops").glob("*.safetensors"))
    models = sorted(path for path in (HERE / "models").iterdir())
    families = sorted(path for path in (HERE / "families").iterdir())
    for check, paths in ((check_op, ops), (check_model, models), (check_family, families)):
        for path in paths:
            try:
                check(path)
            except (AssertionError, KeyError) as error:
                sys.exit(f"{path.relative_to(HERE)}: {error!r}")
    files = ops + [file for folder in models + families for file in folder.iterdir()]
    sizes = {file: file.stat().st_size for file in files}
    largest = max(sizes, key=sizes.get)
    assert sizes[largest] < FILE_LIMIT and sum(sizes.values()) < TOTAL_LIMIT, "too large to commit"
    print(f"verified {len(ops)} op files, {len(models)} models and {len(families)} families, {sum(sizes.values())} bytes, largest {largest.name} {sizes[largest]}")


if __name__ == "__main__":
    main()
