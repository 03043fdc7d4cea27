"""Writes recurrent/<case>.safetensors: torch.nn.LSTM and torch.nn.GRU over time-major sequences, with gradients, in float64.

dy is the gradient of the outputs y; none comes through the last states. Both biases of a layer are stored as torch has them. An LSTMP is
an LSTM with proj_size; rows with lengths go through pack_padded_sequence and back.
"""

import torch

from golden_file import HERE, generator_of, normal, save, seed_of

STEPS, ROWS, INPUTS, SIZE = 7, 3, 5, 6
LENGTHS = [4, 7, 1]
CASES = {
    f"{kind.__name__.lower()}_{layers}{'_both' if both else ''}": (kind, layers, both)
    for kind in (torch.nn.LSTM, torch.nn.GRU)
    for layers, both in ((1, False), (2, False), (2, True))
}
CASES |= {
    "lstm_2_both_ends": (torch.nn.LSTM, 2, True, LENGTHS),
    "gru_2_both_ends": (torch.nn.GRU, 2, True, LENGTHS),
    "lstmp_2_both": (torch.nn.LSTM, 2, True, None, 4),
    "lstmp_2_both_ends": (torch.nn.LSTM, 2, True, LENGTHS, 4),
}


def through(net, x, first, lengths):
    if lengths is None:
        return net(x, first)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    y, last = net(packed, first)
    return torch.nn.utils.rnn.pad_packed_sequence(y, total_length=STEPS)[0], last


def attempt(name, kind, layers, both, lengths=None, projection=0):
    generator = generator_of(name)
    ways = 2 if both else 1
    net = kind(INPUTS, SIZE, layers, bidirectional=both, **({"proj_size": projection} if projection else {})).double()
    tensors = {}
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(normal(generator, *parameter.shape, scale=0.5))
            tensors[key] = parameter.detach().clone()
    x = normal(generator, STEPS, ROWS, INPUTS).requires_grad_()
    sizes = (projection or SIZE, SIZE) if kind is torch.nn.LSTM else (SIZE,)
    first = tuple(normal(generator, layers * ways, ROWS, size) for size in sizes)
    y, last = through(net, x, first if kind is torch.nn.LSTM else first[0], lengths)
    dy = normal(generator, *y.shape)
    y.backward(dy)
    last = last if kind is torch.nn.LSTM else (last,)
    tensors |= {"x": x.detach(), "y": y.detach(), "dy": dy, "dx": x.grad}
    tensors |= {f"first.{part}": value for part, value in zip("hc", first)}
    tensors |= {f"last.{part}": value.detach() for part, value in zip("hc", last)}
    tensors |= {f"grad.{key}": parameter.grad for key, parameter in net.named_parameters()}
    extra = {} if lengths is None else {"lengths": ",".join(map(str, lengths))}
    save(
        HERE / "recurrent" / f"{name}.safetensors", tensors, f"torch.nn.{kind.__name__} in float64",
        case=name, kind="LSTMP" if projection else kind.__name__, layers=layers, bidirectional=both, seed=seed_of(name), **extra,
    )  # fmt: skip


for each, arguments in CASES.items():
    attempt(each, *arguments)
