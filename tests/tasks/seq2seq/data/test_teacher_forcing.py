import numpy as np

from tasks.seq2seq.data.teacher_forcing import shift_right


def test_the_decoder_input_is_the_target_a_step_later():
    shifted = shift_right(np.array([[7, 8, 9], [4, 5, 6]], np.int32), start=1)
    assert shifted.tolist() == [[1, 7, 8], [1, 4, 5]]
    assert shifted.dtype == np.int32
