"""Anchor: the same encoder-decoder in PyTorch, `python torch_anchor.py [--samples N] [--batch-size N]`.

What a user would write instead: embeddings of 64, LSTMs of 128 units, Adam, cross-entropy; trained for one
epoch and decoded greedily, both in batches. Prints one JSON object: training sequences/s after a first step
that is not counted, the share of 10,000 fresh sequences decoded exactly, and decoding sequences/s by batch size.
"""

import argparse
import json
import time

import torch
from torch import Tensor, nn

SOURCE_STEPS, TARGET_STEPS = 6, 3
TOKENS, EMBEDDING, UNITS = 51, 64, 128
FRESH = 10_000
DECODE_BATCHES = (1, 32, 256, 1024, 4096)


class EncoderDecoder(nn.Module):
    """Ids in, logits out; the start token is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_source = nn.Embedding(TOKENS, EMBEDDING)
        self.embed_target = nn.Embedding(TOKENS, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.decoder = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.project = nn.Linear(UNITS, TOKENS)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """The last state of sources `(batch, source_length)`."""
        return self.encoder(self.embed_source(source))[1]

    def decode(self, tokens: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits `(batch, length, tokens)` and the next state, for decoder inputs `(batch, length)`."""
        hidden, state = self.decoder(self.embed_target(tokens), state)
        return self.project(hidden), state

    def greedy(self, source: Tensor) -> Tensor:
        """Decoded tokens `(batch, target_length)`."""
        state = self.encode(source)
        token = source.new_zeros((len(source), 1))
        decoded = []
        for _ in range(TARGET_STEPS):
            logits, state = self.decode(token, state)
            token = logits.argmax(dim=-1)
            decoded.append(token)
        return torch.cat(decoded, dim=1)


def draw(n: int) -> tuple[Tensor, Tensor]:
    """`n` sources and their targets: the first three tokens, reversed."""
    source = torch.randint(1, TOKENS, (n, SOURCE_STEPS))
    return source, source[:, :TARGET_STEPS].flip(1)


def training_rate(model: EncoderDecoder, samples: int, batch_size: int, learning_rate: float) -> float:
    """Trains for one epoch of whole batches; sequences/s without the first step."""
    source, target = draw(samples)
    shifted = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    loss_of = nn.CrossEntropyLoss()

    def step(rows: Tensor) -> None:
        logits, _ = model.decode(shifted[rows], model.encode(source[rows]))
        loss = loss_of(logits.reshape(-1, TOKENS), target[rows].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    order = torch.randperm(samples)
    batches = [order[i : i + batch_size] for i in range(0, samples - batch_size + 1, batch_size)]
    step(batches[0])
    began = time.perf_counter()
    for rows in batches:
        step(rows)
    return len(batches) * batch_size / (time.perf_counter() - began)


def accuracy(model: EncoderDecoder) -> float:
    """The share of `FRESH` new sequences decoded exactly, in [0, 1]."""
    source, target = draw(FRESH)
    return (model.greedy(source) == target).all(dim=1).float().mean().item()


def decoding_rate(model: EncoderDecoder, batch: int) -> float:
    """Sequences/s of greedy decoding in batches of one size."""
    source, _ = draw(batch)
    calls = 500 if batch == 1 else max(5, 40_000 // batch)
    model.greedy(source)
    began = time.perf_counter()
    for _ in range(calls):
        model.greedy(source)
    return calls * batch / (time.perf_counter() - began)


def main() -> None:
    """Trains, proves, decodes, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    model = EncoderDecoder()
    rate = training_rate(model, chosen.samples, chosen.batch_size, chosen.learning_rate)
    model.eval()
    with torch.inference_mode():
        share = accuracy(model)
        decode = {batch: decoding_rate(model, batch) for batch in DECODE_BATCHES}
    print(json.dumps({"train_sequences_per_s": rate, "accuracy": share, "decode_sequences_per_s": decode}))


if __name__ == "__main__":
    main()
