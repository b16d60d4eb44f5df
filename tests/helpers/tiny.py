"""An experiment that learns its problem in a second."""

TINY = [
    *("--data.n_in", "4", "--data.n_out", "2", "--data.cardinality", "6", "--data.n_samples", "6000"),
    *(
        "--model.units",
        "32",
        "--model.embedding",
        "16",
        "--training.epochs",
        "4",
        "--training.batch_size",
        "64",
    ),
    *("--training.learning_rate", "0.02", "--evaluation.n_samples", "50", "--evaluation.n_examples", "3"),
]
