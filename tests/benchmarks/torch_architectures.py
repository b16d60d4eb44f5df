"""Anchor: other architectures in PyTorch, `python torch_architectures.py SHAPE`, of those in `architectures.py`.

What a user would write instead: `nn.LSTM`, attention by `bmm`; with input feeding, where a step needs what the
step before attended to, a loop over `nn.LSTMCell`. Adam, cross-entropy. Prints one JSON object with, for each problem,
training sequences/s after a first step that is not counted and decoding sequences/s at the best batch.
"""

import argparse
import json
import time

import torch
from architectures import (
    BATCH,
    DECODE_BATCHES,
    EMBEDDING,
    PROBLEMS,
    SHAPES,
    TOKENS,
    UNITS,
    Problem,
    Shape,
    decode_calls,
)
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Luong's attention with the score "general"."""

    def __init__(self, memory_units: int, units: int) -> None:
        super().__init__()
        self.score = nn.Linear(memory_units, units, bias=False)
        self.combine = nn.Linear(memory_units + units, units)

    def forward(self, hidden: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
        """Attentional vectors `(batch, steps, units)` of hidden ones; `keys` are `score(memory)`."""
        weights = torch.bmm(hidden, keys.transpose(1, 2)).softmax(dim=-1)
        context = torch.bmm(weights, memory)
        return torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))


class EncoderDecoder(nn.Module):
    """Ids in, logits out; the start token is 0."""

    def __init__(self, shape: Shape, tokens: int = TOKENS, units: int = UNITS) -> None:
        super().__init__()
        self.shape = shape
        memory_units = units * (2 if shape.bidirectional else 1)
        self.embed_source = nn.Embedding(tokens, EMBEDDING)
        self.embed_target = nn.Embedding(tokens, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING, units, shape.layers, batch_first=True, bidirectional=shape.bidirectional)
        if shape.bidirectional:
            self.bridges = nn.ModuleList([nn.Linear(memory_units, units) for _ in range(2)])
        if shape.attention:
            self.attention = Attention(memory_units, units)
        if shape.input_feeding:
            self.decoder = nn.LSTMCell(EMBEDDING + units, units)
        else:
            self.decoder = nn.LSTM(EMBEDDING, units, shape.layers, batch_first=True)
        self.project = nn.Linear(units, tokens)

    def encode(self, source: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The decoder's first state, and the memory, of sources `(batch, source_length)`."""
        outputs, state = self.encoder(self.embed_source(source))
        if self.shape.bidirectional:
            state = tuple(
                torch.tanh(bridge(torch.cat([part[0], part[1]], dim=-1))).unsqueeze(0)
                for bridge, part in zip(self.bridges, state, strict=True)
            )
        memory = (outputs, self.attention.score(outputs)) if self.shape.attention else ()
        if self.shape.input_feeding:
            state = (*(part[0] for part in state), torch.zeros_like(state[0][0]))
        return state, memory

    def decode(
        self, tokens: Tensor, state: tuple[Tensor, ...], memory: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits `(batch, length, tokens)` and the next state, for decoder inputs `(batch, length)`."""
        embedded = self.embed_target(tokens)
        if self.shape.input_feeding:
            hidden, state = self.feed(embedded, state, memory)
        else:
            hidden, state = self.decoder(embedded, state)
            if self.shape.attention:
                hidden = self.attention(hidden, *memory)
        return self.project(hidden), state

    def feed(
        self, embedded: Tensor, state: tuple[Tensor, ...], memory: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Attentional vectors, each step given the one before, and the next state."""
        hidden, cell, attended = state
        steps = []
        for step in embedded.unbind(1):
            hidden, cell = self.decoder(torch.cat([step, attended], dim=-1), (hidden, cell))
            attended = self.attention(hidden.unsqueeze(1), *memory).squeeze(1)
            steps.append(attended)
        return torch.stack(steps, dim=1), (hidden, cell, attended)

    def greedy(self, source: Tensor, n_steps: int) -> Tensor:
        """Decoded tokens `(batch, n_steps)`."""
        state, memory = self.encode(source)
        token = source.new_zeros((len(source), 1))
        decoded = []
        for _ in range(n_steps):
            logits, state = self.decode(token, state, memory)
            token = logits.argmax(dim=-1)
            decoded.append(token)
        return torch.cat(decoded, dim=1)


def training_rate(model: EncoderDecoder, problem: Problem) -> float:
    """Trains for one epoch; sequences/s without the first step."""
    source = torch.randint(1, TOKENS, (problem.samples, problem.n_in))
    target = source[:, : problem.n_out].flip(1)
    shifted = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    loss_of = nn.CrossEntropyLoss()

    def step(rows: Tensor) -> None:
        logits, _ = model.decode(shifted[rows], *model.encode(source[rows]))
        loss = loss_of(logits.reshape(-1, TOKENS), target[rows].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    batches = torch.randperm(problem.samples).split(BATCH)
    step(batches[0])
    began = time.perf_counter()
    for rows in batches:
        step(rows)
    return problem.samples / (time.perf_counter() - began)


def decoding_rate(model: EncoderDecoder, problem: Problem, batch: int) -> float:
    """Sequences/s of greedy decoding in batches of one size."""
    source = torch.randint(1, TOKENS, (batch, problem.n_in))
    model.greedy(source, problem.n_out)
    calls = decode_calls(batch)
    began = time.perf_counter()
    for _ in range(calls):
        model.greedy(source, problem.n_out)
    return calls * batch / (time.perf_counter() - began)


def measure(shape: Shape, problem: Problem) -> dict[str, float]:
    """Both rates of one architecture on one problem."""
    model = EncoderDecoder(shape)
    train = training_rate(model, problem)
    model.eval()
    with torch.inference_mode():
        decode = max(decoding_rate(model, problem, batch) for batch in DECODE_BATCHES)
    return {"train": train, "decode": decode}


def main() -> None:
    """Trains and decodes, and prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    shape = SHAPES[parser.parse_args().shape]
    torch.manual_seed(0)
    print(json.dumps({name: measure(shape, PROBLEMS[name]) for name in shape.problems}))


if __name__ == "__main__":
    main()
