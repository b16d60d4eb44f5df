"""How right predicted lines of text are, by the measures of machine translation."""

from __future__ import annotations

from tasks.seq2seq.arrays.aliases import Ids
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.metrics.metric import Metric, TokenTarget


class Lines:
    """References and predictions written out, a line each; kept in memory.

    tokenize: sacrebleu's name of how lines are split for BLEU.
    """

    def __init__(self, target: TokenTarget) -> None:
        """Takes the target, whose vocabulary writes its tokens."""
        self._vocabulary = target.vocabulary
        # Words and integers are tokens already; of characters, sacrebleu's own tokenizer makes words.
        self.tokenize = "13a" if target.vocabulary.kind == "characters" else "none"
        self.references: list[str] = []
        self.predictions: list[str] = []

    def add(self, references: Sequences, predictions: Sequences, **_beside: object) -> None:
        """Writes a batch out."""
        for lines, sequences in ((self.references, references), (self.predictions, predictions)):
            lines += [self._write(sequences[i]) for i in range(len(sequences))]

    def _write(self, ids: Ids) -> str:
        text = self._vocabulary.write(ids)
        if self._vocabulary.kind != "integers" or self._vocabulary.names:
            return text
        return text.strip("[]").replace(",", "")


def corpus_bleu(references: list[str], predictions: list[str], tokenize: str) -> float | None:
    """BLEU of detokenized lines, one reference each, in [0, 100]; None without lines.

    `tokenize` is sacrebleu's name of how lines are split: `13a`, `char`, `intl`, `none`, `zh` ...

    Source: K. Papineni et al., "BLEU: a method for automatic evaluation of machine translation" (2002), as
    M. Post, "A call for clarity in reporting BLEU scores" (2018) fixes it.
    """
    import sacrebleu  # noqa: PLC0415 - slow to load, and only lines of text need it

    if not references:
        return None
    # `force` silences the advice about lines that look tokenized: words are the user's own.
    bleu = sacrebleu.corpus_bleu(predictions, [references], tokenize=tokenize, force=True)
    return min(float(bleu.score), 100.0)


def corpus_chrf(references: list[str], predictions: list[str]) -> float | None:
    """chrF2 of detokenized lines, one reference each, in [0, 100]; None without lines.

    Source: M. Popović, "chrF: character n-gram F-score for automatic MT evaluation" (2015).
    """
    import sacrebleu  # noqa: PLC0415 - slow to load, and only lines of text need it

    return min(float(sacrebleu.corpus_chrf(predictions, [references]).score), 100.0) if references else None


BLEU = Metric(
    "bleu",
    "tokens",
    Lines,
    lambda lines: corpus_bleu(lines.references, lines.predictions, lines.tokenize),
    "BLEU by sacrebleu, in [0, 100]; with `evaluation.bleu`",
    is_wanted=lambda target: target.settings.bleu,
    line=lambda scores: f"  bleu: {scores['bleu']:.2f}",
    better="maximize",
)
CHRF = Metric(
    "chrf",
    "tokens",
    Lines,
    lambda lines: corpus_chrf(lines.references, lines.predictions),
    "chrF2 by sacrebleu, in [0, 100]; with `evaluation.chrf`",
    is_wanted=lambda target: target.settings.chrf,
    line=lambda scores: f"  chrf: {scores['chrf']:.2f}",
    better="maximize",
)
