"""Update rules of torch.optim, transformers and, where neither has them, of GluonNLP's documentation, step by step."""

import torch
from transformers.optimization import Adafactor

from golden_file import HERE, generator_of, normal, save

SHAPES = {"a": (17,), "b": (5, 3), "c": (2, 4, 3)}
STEPS = 8


def draw(name):
    """Parameters and the gradients of every step; their sizes differ, so that clipping and norms matter."""
    generator = generator_of(name)
    parameters = {key: normal(generator, *shape).float() for key, shape in SHAPES.items()}
    gradients = [
        {key: normal(generator, *shape, scale=10.0 ** -(step % 3)).float() for key, shape in SHAPES.items()}
        for step in range(STEPS)
    ]
    return parameters, gradients


def write(name, make, source, average=None, **metadata):
    """Runs `make(parameters) -> step()` in float64 from inputs that are exact in float32."""
    initial, gradients = draw(name)
    parameters = {key: torch.nn.Parameter(value.double()) for key, value in initial.items()}
    tensors = {f"{key}.init": value for key, value in initial.items()}
    step = make(parameters)
    averaged = average(parameters) if average else None
    for number, drawn in enumerate(gradients):
        for key, parameter in parameters.items():
            parameter.grad = drawn[key].double()
            tensors[f"{key}.g_{number}"] = drawn[key]
        with torch.no_grad():
            step()
            if averaged:
                averaged(number)
        for key, parameter in parameters.items():
            tensors[f"{key}.w_{number}"] = parameter.detach().clone()
    if averaged:
        tensors |= {f"{key}.average": value for key, value in averaged(None).items()}
    save(HERE / "optim" / f"{name}.safetensors", tensors, source, steps=STEPS, **metadata)


def of_torch(kind, **options):
    return lambda parameters: kind(parameters.values(), **options).step


def grouped(parameters):
    low = {"params": [parameters["a"]], "lr": 0.25e-2, "weight_decay": 0.05}
    return torch.optim.AdamW([low, {"params": [parameters["b"], parameters["c"]]}], lr=1e-2, weight_decay=0.1).step


def adam_like(lamb, corrected, lr, decay):
    """GluonNLP 0.8's BERTAdam, and its LAMB with and without bias correction."""

    def make(parameters):
        state = {key: (torch.zeros_like(value), torch.zeros_like(value), [0]) for key, value in parameters.items()}

        def step():
            for key, w in parameters.items():
                m, v, count = state[key]
                count[0] += 1
                m.mul_(0.9).add_(w.grad, alpha=0.1)
                v.mul_(0.999).add_(w.grad**2, alpha=0.001)
                if corrected:
                    direction = m / (1 - 0.9 ** count[0]) / torch.sqrt(v / (1 - 0.999 ** count[0]) + 1e-6)
                else:
                    direction = m / (torch.sqrt(v) + 1e-6)
                direction = direction + decay * w
                ratio = 1.0
                if lamb:
                    weights, length = w.norm().clamp(1e-3, 10), direction.norm()
                    ratio = 1.0 if weights == 0 or length == 0 else weights / length
                w -= lr * ratio * direction

        return step

    return make


def ema(parameters):
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.75)
    kept = {}

    def update(number):
        if number is None:
            return kept
        if not kept:
            kept.update({key: value.detach().clone() for key, value in parameters.items()})
        else:
            average(list(kept.values()), [p.detach() for p in parameters.values()], None)

    return update


def mean(parameters):
    seen = []

    def update(number):
        if number is None:
            return {key: torch.stack([s[key] for s in seen]).mean(0) for key in parameters}
        if number >= 3:
            seen.append({key: value.detach().clone() for key, value in parameters.items()})

    return update


if __name__ == "__main__":
    sgd = torch.optim.SGD
    write("sgd", of_torch(sgd, lr=0.1), "optim.SGD in float64", lr=0.1)
    write("sgd_momentum", of_torch(sgd, lr=0.1, momentum=0.9, weight_decay=0.01), "optim.SGD in float64", lr=0.1, weight_decay=0.01)
    write(
        "sgd_nesterov",
        of_torch(sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "optim.SGD in float64",
        lr=0.1,
        weight_decay=0.01,
    )
    write("adamw_groups", grouped, "optim.AdamW with two groups in float64", lr=1e-2, weight_decay=0.1, eps=1e-8)
    write("bert_adam", adam_like(False, False, 1e-2, 0.01), "GluonNLP's formula in float64", lr=1e-2, weight_decay=0.01, eps=1e-6)
    write("lamb", adam_like(True, False, 1e-2, 0.01), "GluonNLP's formula in float64", lr=1e-2, weight_decay=0.01, eps=1e-6)
    write("lamb_corrected", adam_like(True, True, 1e-2, 0.01), "GluonNLP's formula in float64", lr=1e-2, weight_decay=0.01, eps=1e-6)
    write("adafactor", of_torch(Adafactor), "and transformers.optimization.Adafactor in float64", lr=1)
    write(
        "adafactor_fixed",
        of_torch(Adafactor, lr=0.02, relative_step=False, scale_parameter=False, beta1=0.9, weight_decay=0.01),
        "and transformers.optimization.Adafactor in float64",
        lr=0.02,
        weight_decay=0.01,
    )
    write("average_ema", of_torch(sgd, lr=0.1), "optim.swa_utils in float64", average=ema, lr=0.1)
    write("average_mean", of_torch(sgd, lr=0.1), "optim.SGD in float64, averaged from the fourth step on", average=mean, lr=0.1)
