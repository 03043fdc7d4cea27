"""Writes recurrent/<case>.safetensors: torch.nn.LSTM and torch.nn.GRU over time-major sequences, with gradients, in float64.

dy is the gradient of the outputs y; none comes through the last states. Both biases of a layer are stored as torch has them.
"""

import torch

from golden_file import HERE, generator_of, normal, save, seed_of

STEPS, ROWS, INPUTS, SIZE = 7, 3, 5, 6
CASES = {
    f"{kind.__name__.lower()}_{layers}{'_both' if both else ''}": (kind, layers, both)
    for kind in (torch.nn.LSTM, torch.nn.GRU)
    for layers, both in ((1, False), (2, False), (2, True))
}


def attempt(name, kind, layers, both):
    generator = generator_of(name)
    ways = 2 if both else 1
    net = kind(INPUTS, SIZE, layers, bidirectional=both).double()
    tensors = {}
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(normal(generator, *parameter.shape, scale=0.5))
            tensors[key] = parameter.detach().clone()
    x = normal(generator, STEPS, ROWS, INPUTS).requires_grad_()
    first = tuple(normal(generator, layers * ways, ROWS, SIZE) for _ in range(2 if kind is torch.nn.LSTM else 1))
    y, last = net(x, first if kind is torch.nn.LSTM else first[0])
    dy = normal(generator, *y.shape)
    y.backward(dy)
    last = last if kind is torch.nn.LSTM else (last,)
    tensors |= {"x": x.detach(), "y": y.detach(), "dy": dy, "dx": x.grad}
    tensors |= {f"first.{part}": value for part, value in zip("hc", first)}
    tensors |= {f"last.{part}": value.detach() for part, value in zip("hc", last)}
    tensors |= {f"grad.{key}": parameter.grad for key, parameter in net.named_parameters()}
    save(
        HERE / "recurrent" / f"{name}.safetensors", tensors, f"torch.nn.{kind.__name__} in float64",
        case=name, kind=kind.__name__, layers=layers, bidirectional=both, seed=seed_of(name),
    )  # fmt: skip


for each, arguments in CASES.items():
    attempt(each, *arguments)
