"""How large a part of a file may be, in every format: what real data never meets and a hostile file would use up.

A row that is over a limit is rejected as `too_large`, a file that is as a whole is refused by name: reading takes a
bounded number of bytes whatever a file says of itself. docs/own-data.md has them in a table.
"""

from __future__ import annotations

ROW_BYTES = 16 * 2**20  # a record, a line, a row of columns; and so a field
ROW_VALUES = 1_000_000  # lists, objects and values in a line of JSON
MOST_COLUMNS = 10_000  # of a file: columns with the fields inside them, arrays, keys
MOST_PARTS = 1_000  # lists and fields within one key of JSON lines; more are kept as text
DEEPEST_COLUMN = 16  # levels of lists and objects within one key; what is deeper is kept as text
DEEPEST_TYPE = 50  # levels of lists and structures in a schema
DEEPEST_JSON = 200  # levels of lists and objects in a line
BLANK_BYTES = 16 * 2**20  # blank lines one after the other
ROWS_OF_ANY_FILE, ROWS_A_BYTE = (
    1_000_000,
    100,
)  # rows that a file may announce: so many, and more for each byte
GROUP_VALUES, VALUES_A_BYTE = 64 * 2**20, 8  # values that a row group may announce, likewise
EXPANDED_BYTES = 512 * 2**20  # that pages of Parquet, or a batch of Arrow, expand to at once
SHOWN_BYTES = 1_000  # that a reject keeps of a row that is too large
HEADER_BYTES = 64 * 2**10  # of an array in an npz
VECTOR_LINE_BYTES = 2**20  # a line of pre-trained vectors
JSON_BYTES = 512 * 2**20  # a JSON file of the store, or of outputs
KERAS_CONFIG_BYTES = 4 * 2**20  # of the configuration in a Keras model
SETTINGS_BYTES = 2**20  # a file of settings, or of deployments
SETTINGS_VALUES = 100_000  # of a file of deployments, each alias counted as all that it stands for
SETTINGS_DOTS = 1_000  # points in a line of one: a parser takes the square of them
