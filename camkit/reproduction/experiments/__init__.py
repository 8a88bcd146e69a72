"""What cells measure: networks as they come, networks that are trained, fc that is fine-tuned."""

from collections.abc import Callable, Mapping

from camkit.reproduction.bench import Bench
from camkit.reproduction.experiments.as_they_come import analyse, evaluate_network, weights
from camkit.reproduction.experiments.minmax import choose_weights, finetune, separate_classifier
from camkit.reproduction.experiments.thresholds import compare_thetas, thetas
from camkit.reproduction.experiments.trained import choose_rate, train_network, try_rate
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell

EXPERIMENTS: Mapping[str, Callable[[Cell, Bench], Measured]] = {
    "analyse": analyse,
    "choose_rate": choose_rate,
    "choose_weights": choose_weights,
    "compare_thetas": compare_thetas,
    "evaluate": evaluate_network,
    "finetune": finetune,
    "separate_classifier": separate_classifier,
    "thetas": thetas,
    "train": train_network,
    "try_rate": try_rate,
    "weights": weights,
}
