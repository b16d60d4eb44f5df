"""Scheduled sampling: in training, some steps are given what the model itself said before, and not the truth.

Teacher forcing shows the decoder a true past alone; once it runs freely it meets its own mistakes, which it has never
seen. Here a step's input is the model's own previous prediction with a probability that follows a schedule.

The inputs are found first, one step after the other: each prediction is made from the inputs that were really used
before it, by the model as it predicts, without dropout. Then one ordinary gradient step is made with these inputs. As
no gradient flows through the choice of an input, it is the same as that of a decoder that chooses while it runs.

Source: S. Bengio, O. Vinyals, N. Jaitly, N. Shazeer, "Scheduled sampling for sequence prediction with recurrent neural
networks" (2015); epsilon there is the probability of the truth, 1 less the one here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tasks.seq2seq.models.encoder_decoder import Models, split_encoded
from tasks.seq2seq.models.tensors import Tensor
from tasks.seq2seq.settings.training import TrainingSettings

PROBABILITY = {"constant": 0.25, "linear": 1.0}  # where none is set
_COINS_STREAM = 5

# The number of a gradient step, from 0, to the probability of an own prediction, `() float32`.
Schedule = Callable[[Any], Tensor]


def sampling_schedule(settings: TrainingSettings, total_steps: int) -> Schedule:
    """The schedule that the settings ask for, in a training of so many gradient steps.

    constant: p. linear: p i / steps, and p from then on. exponential: 1 - k^i. inverse_sigmoid: 1 - k / (k + e^(i/k)).
    """
    probability = settings.sampling_probability
    if probability is None:
        probability = PROBABILITY.get(settings.sampling, 0.0)
    if settings.sampling == "constant":
        return lambda step: tf.constant(probability, tf.float32) + 0.0 * tf.cast(step, tf.float32)
    if settings.sampling == "linear":
        slope = probability / (settings.sampling_steps or total_steps)
        return lambda step: tf.minimum(probability, slope * tf.cast(step, tf.float32))
    if settings.sampling == "exponential":
        k = settings.sampling_k or 0.5 ** (2 / total_steps)
        return lambda step: 1.0 - tf.exp(math.log(k) * tf.cast(step, tf.float32))
    k = settings.sampling_k or _even_at(total_steps / 2)
    return lambda step: 1.0 - k / (k + tf.exp(tf.cast(step, tf.float32) / k))


def _even_at(step: float) -> float:
    """The k of the inverse sigmoid that is a half at this step: the solution of k ln k = step, by Newton."""
    k = max(math.e, step / math.log(step + math.e))
    for _ in range(50):
        k = (k + step) / (math.log(k) + 1)
    return max(k, 1.0)


def sampled_inputs(models: Models, n_quantiles: int = 1) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The function that finds the decoder inputs of a batch.

    It takes sources and the decoder inputs of teacher forcing, as `feeding.Batch` describes them, and which steps are
    given the model's own previous prediction, `(batch, target_length) bool`, whose first is never looked at. It gives
    the decoder inputs that are used. Of a model with quantiles, of which there are `n_quantiles`, its own prediction is
    the median.
    """
    decoder = models.decoder

    def predict(output: Tensor) -> Tensor:
        if decoder.inputs[0].dtype == "int32":
            return tf.argmax(output, axis=-1, output_type=tf.int32)
        return output[..., : output.shape[-1] // n_quantiles]

    def find(source: Tensor, decoder_input: Tensor, is_own: Tensor) -> Tensor:
        state, memory = split_encoded(models.encoder(source, training=False), decoder)
        steps = tf.shape(decoder_input)[1]
        by_step = _swapped(decoder_input)
        used = tf.TensorArray(decoder_input.dtype, steps, element_shape=by_step.shape[1:]).write(0, by_step[0])

        def advance(i: Tensor, given: Tensor, state: list[Tensor], used: Any) -> tuple[Any, ...]:  # noqa: ANN401
            output, *after = decoder([given[:, None], *state, *memory], training=False)
            own = tf.cast(predict(output[:, 0]), given.dtype)
            if len(given.shape) > 1:  # behind a vector is what is known of the step, which stays the truth
                own = tf.concat([own, by_step[i][:, own.shape[-1] :]], axis=1)
            own = tf.ensure_shape(own, given.shape)
            coin = is_own[:, i] if len(given.shape) == 1 else is_own[:, i, None]
            given = tf.where(coin, own, by_step[i])
            after = [tf.cast(part, before.dtype) for part, before in zip(after, state, strict=False)]
            return i + 1, given, after, used.write(i, given)

        first = (tf.constant(1), by_step[0], state, used)
        _, _, _, used = tf.while_loop(lambda i, *_: i < steps, advance, first)
        return tf.stop_gradient(_swapped(used.stack()))

    return find


def _swapped(tensor: Tensor) -> Tensor:
    """With the batch and the time steps changed places."""
    return tf.transpose(tensor, (1, 0, *range(2, len(tensor.shape))))


class SampledModel(keras.Model):
    """The training model, whose training steps choose their decoder inputs; all else is as it was.

    The coins of a gradient step follow from the seed and the step's number, so that a training that goes on from its
    optimizer's state draws what it would have drawn.
    """

    def __init__(self, models: Models, schedule: Schedule, seed: int, n_quantiles: int = 1) -> None:
        """Takes the three models, of whose layers this is a fourth, the schedule, and the seed of the coins."""
        super().__init__(models.train.inputs, models.train.outputs[0], name=models.train.name)
        self._find, self._schedule, self._seed = sampled_inputs(models, n_quantiles), schedule, seed

    def train_step(self, data: Any) -> Any:  # noqa: ANN401 - Keras'
        """Keras' own training step, with inputs that the model has a part in."""
        (source, decoder_input), target, weights = data
        return super().train_step(((source, self.choose_inputs(source, decoder_input)), target, weights))

    def choose_inputs(self, source: Tensor, decoder_input: Tensor) -> Tensor:
        """The decoder inputs of the next gradient step."""
        step = tf.cast(self.optimizer.iterations, tf.int64)
        seed = tf.stack([tf.constant(self._seed * 1_000_003 + _COINS_STREAM, tf.int64), step])
        shape = tf.shape(decoder_input)[:2]
        is_own = tf.random.stateless_uniform(shape, seed) < self._schedule(step)
        # Without an own input there is nothing to find, which takes longer than a step of teacher forcing.
        inputs = tf.cond(
            tf.reduce_any(is_own[:, 1:]), lambda: self._find(source, decoder_input, is_own), lambda: decoder_input
        )
        return tf.ensure_shape(inputs, decoder_input.shape)


def with_sampling(models: Models, settings: TrainingSettings, n_train: int, seed: int) -> keras.Model:
    """The model to train: the training model itself, or one that shares its layers and samples its inputs.

    Args:
        models: the three models.
        settings: those that begin with `sampling`, and how long training is to go on.
        n_train: training pairs of an epoch.
        seed: of the coins.
    """
    if settings.sampling == "none":
        return models.train
    total_steps = math.ceil(n_train / settings.batch_size) * settings.epochs
    n_quantiles = max(1, len(settings.forecast_quantiles))
    return SampledModel(models, sampling_schedule(settings, total_steps), seed, n_quantiles)
