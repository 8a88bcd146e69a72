"""The plan: every cell that a budget has, what it needs, and how long it may take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError

# Folders that --data names. Networks: model.py with a function of that name, weights.safetensors, labels.txt.
DATA = {
    "cub": "CUB-200-2011, or some of its classes, in the official layout",
    "birds-csv": "the photographs that the network `birds` knows: a folder with birds.csv (default: that of cub)",
    "birds": "a classifier of bird species: model.py (function birds), weights.safetensors, labels.txt",
    "mobilenet": "a MobileNetV2 of ImageNet: model.py (function mobilenet_v2), weights.safetensors",
    "tiny-imagenet": "Tiny ImageNet with boxes: val.zip or val/, boxes.csv, classes.csv",
    "pets": "photographs with masks in the public WSOL layout, as OpenImages30K",
}

# Seconds on two CPU cores for an image of 224 x 224: judged; analysed in one pass; trained on; in stage II.
LOOK, ANALYSE, STEP, STAGE_TWO = 0.05, 0.07, 0.05, 0.065
ALL_PASSES = 2.2  # of the analyses, against those of one pass
CHEAP = 0.15  # a small VGG's share of these

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of an experiment, kept on disk under its name.

    Attributes
    ----------
    name : str
        As claims refer to it; cells of one name differ in their seed.
    experiment : str
        One of `camkit.reproduction.experiments.EXPERIMENTS`.
    settings : mapping
        In JSON's types.
    data : tuple of str
        Which of `DATA` it needs.
    after : tuple of str
        Names of the cells whose results it takes, of the same seed where they have seeds.
    seed : int or None
    seconds : float
        How long it may take on two cores.
    """

    name: str
    experiment: str
    settings: Settings = field(default_factory=dict)
    data: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seed: int | None = None
    seconds: float = 1.0

    @property
    def id(self) -> str:
        """Name and seed."""
        return self.name if self.seed is None else f"{self.name}@{self.seed}"


@dataclass(frozen=True)
class Budget:
    """How much is computed.

    Attributes
    ----------
    seeds, epochs : int
        Of trained networks; a small VGG, which starts from nothing, takes `patience` times as many epochs.
    patience : int
    photographs, analysed : int or None
        Of Tiny ImageNet, to measure and to analyse; None is all.
    steps : int
        Mini-batches of fine-tuning.
    sets : int
        Of five images, in such a mini-batch.
    whole : bool
        The whole grid of methods, pools and loss weights, or those cells alone that claims ask for.
    """

    seeds: int
    epochs: int
    patience: int
    photographs: int | None
    analysed: int | None
    steps: int
    sets: int
    whole: bool


BUDGETS = {
    "small": Budget(1, 3, 10, 400, 200, 12, 4, whole=False),
    "full": Budget(3, 12, 5, None, 1000, 60, 6, whole=True),
}

POOLS = {"gap": "gap", "tap0": "tap:0", "tap0.1": "tap:0.1", "tap0.2": "tap:0.2"}
RATES = (0.001, 0.003)  # the better for each pooling, by Top-1 Cls on photographs held out of training
CUB_TRAIN, CUB_TEST, PETS_TRAIN, PETS_TEST, BIRDS, TINY, HELD = 300, 243, 300, 298, 347, 2500, 30
# A small VGG has 16x16 positions at 64 pixels, as VGG16 has 14x14 at 224.
FROM_NOTHING = {"vgg": {"backbone": "vgg-small-bn", "weights": "none", "lr": 0.02, "size": 64, "resize": 72}}
FROM_FOLDERS = ("birds", "mobilenet")
BACKBONES: dict[str, Settings] = {
    "lite0": {"backbone": "efficientnet-lite0"},
    "lite0-16": {"backbone": "efficientnet-lite0", "output_stride": 16},
    **{name: {"backbone": name} for name in FROM_FOLDERS},
    **FROM_NOTHING,
}
METHODS: dict[str, Settings] = {
    "none": {},
    "has": {"method": "has", "method_options": {"grid": 32, "p": 0.5}},
    "adl": {"method": "adl"},
    "cutmix": {"method": "cutmix"},
    "minmax": {"method": "minmax", "method_options": {"crr": 5.0, "frr": 5.0, "sets": 6, "set_size": 5}},
}
# Where ADL goes, at what the papers call the last strided stages: after the stages of stride 8 and 16, and the last.
ADL_AT: dict[str, list[str]] = {
    "lite0": ["blocks.2", "blocks.4", "blocks.6"],
    "lite0-16": ["blocks.2", "blocks.4", "blocks.6"],
    "mobilenet": ["features.7", "features.14", "features.17"],
    "vgg": [],
}
TRAINED_FOR_CLAIMS = (
    ("lite0", "gap", "none"), ("lite0", "tap0", "none"), ("lite0", "tap0.1", "none"),
    ("lite0", "gap", "has"), ("lite0", "tap0.1", "has"), ("lite0", "gap", "adl"), ("lite0", "tap0.1", "adl"),
    ("lite0", "gap", "minmax"), ("lite0-16", "gap", "none"),
    ("mobilenet", "gap", "none"), ("mobilenet", "tap0.1", "none"), ("vgg", "gap", "none"), ("vgg", "tap0.1", "none"),
)  # fmt: skip
WEIGHTS = ((0, 0), (20, 0), (0, 20), (20, 20))  # of CRR and FRR, in both budgets
MORE_WEIGHTS = ((5, 0), (0, 5), (5, 5), (20, 5), (5, 20))
TUNED = ("lite0", "lite0-16", "vgg")


def cells(budget: Budget) -> list[Cell]:
    """Every cell, each after those whose results it takes."""
    return [*post_hoc(budget), *rates(budget), *trained(budget), *pets(budget), *thresholds(budget), *tuned(budget)]


def post_hoc(budget: Budget) -> Iterable[Cell]:
    """Networks as they come: every recipe, the analyses, the weights."""
    tiny, analysed = budget.photographs or TINY, budget.analysed or TINY
    for fit in ("stretch", "crop", "keep"):
        yield Cell(f"birds/{fit}", "evaluate", {"network": "birds", "split": "birds", "fit": fit},
                   ("birds", "birds-csv"), seconds=BIRDS * LOOK)  # fmt: skip
    for fit, passes in (("stretch", ALL_PASSES), ("keep", 1)):
        yield Cell(f"birds/{fit}/analyses", "analyse", {"network": "birds", "split": "birds", "fit": fit},
                   ("birds", "birds-csv"), seconds=BIRDS * ANALYSE * passes)  # fmt: skip
    for network, needs in (("lite0", ()), ("mobilenet", ("mobilenet",))):
        common = {"network": network, "split": "val", "fit": "stretch"}
        data = (*needs, "tiny-imagenet")
        yield Cell(f"{network}/tiny", "evaluate", common | {"limit": budget.photographs}, data, seconds=tiny * LOOK)
        yield Cell(f"{network}/tiny/analyses", "analyse", common | {"limit": budget.analysed}, data,
                   seconds=analysed * ANALYSE * ALL_PASSES)  # fmt: skip
    for stride in (16, 8):
        settings = {"network": "lite0", "split": "val", "fit": "stretch", "limit": budget.photographs}
        yield Cell(f"lite0/tiny/stride{stride}", "evaluate", settings | {"output_stride": stride}, ("tiny-imagenet",),
                   seconds=tiny * LOOK * (1.2 if stride == 16 else 3))  # fmt: skip
    for network in ("birds", "lite0", "mobilenet"):
        yield Cell(f"{network}/weights", "weights", {"network": network}, () if network == "lite0" else (network,),
                   seconds=5)  # fmt: skip


def rates(budget: Budget) -> Iterable[Cell]:
    """The learning rate of each pooling, with the network that most cells train."""
    for pool in POOLS if budget.whole else ("gap", "tap0", "tap0.1"):
        tried = [f"rate/{pool}/{rate}" for rate in RATES]
        for name, rate in zip(tried, RATES, strict=True):
            settings = {**BACKBONES["lite0"], "pool": POOLS[pool], "lr": rate, "epochs": budget.epochs,
                        "train_split": "train", "val_split": "holdout:6"}  # fmt: skip
            yield Cell(name, "try_rate", settings, ("cub",), seed=0, seconds=budget.epochs * CUB_TRAIN * 0.8 * STEP + 5)
        yield Cell(f"rate/{pool}", "choose_rate", {}, after=tuple(tried), seed=0)


def trained(budget: Budget) -> Iterable[Cell]:
    """Networks trained on CUB, measured on its test split with every recipe."""
    chosen: Sequence[tuple[str, str, str]] = TRAINED_FOR_CLAIMS
    if budget.whole:
        grid = product(("lite0", "mobilenet", "vgg"), POOLS, ("none", "has", "adl", "cutmix"))
        chosen = list(dict.fromkeys([*TRAINED_FOR_CLAIMS, *grid]))
    for (backbone, pool, method), seed in product(chosen, range(budget.seeds)):
        yield train_cell("cub", backbone, pool, method, seed, budget, CUB_TRAIN, CUB_TEST)


def pets(budget: Budget) -> Iterable[Cell]:
    """The same with masks."""
    for pool, method, seed in product(("gap", "tap0.1"), ("none", "adl"), range(budget.seeds)):
        yield train_cell("pets", "lite0", pool, method, seed, budget, PETS_TRAIN, PETS_TEST)


def train_cell(
    data: str, backbone: str, pool: str, method: str, seed: int, budget: Budget, images: int, test: int
) -> Cell:
    """A network to train and measure."""
    from_nothing = backbone in FROM_NOTHING
    epochs = budget.epochs * (budget.patience if from_nothing else 1)
    made = {**BACKBONES[backbone], "pool": POOLS[pool], **METHODS[method], "epochs": epochs}
    if method == "adl":
        made["adl_at"] = ADL_AT[backbone]
    cost = (STEP + STAGE_TWO * (method == "minmax")) * (CHEAP if from_nothing else 1)
    needs = (data, backbone) if backbone in FROM_FOLDERS else (data,)
    after = () if from_nothing else (f"rate/{pool}",)
    seconds = epochs * images * cost + test * (1 + (method == "none")) * LOOK + 5
    return Cell(f"{data}/{backbone}/{pool}/{method}", "train", made, needs, after, seed, seconds)


def thresholds(budget: Budget) -> Iterable[Cell]:
    """The best threshold of a network on one half of the images, and another's, on the other half."""
    tiny = {"network": "lite0", "split": "val", "limit": budget.analysed}
    yield Cell("thetas/birds", "thetas", {"network": "birds", "split": "birds"}, ("birds", "birds-csv"),
               seconds=BIRDS * LOOK)  # fmt: skip
    yield Cell("thetas/lite0", "thetas", tiny, ("tiny-imagenet",), seconds=(budget.analysed or TINY) * LOOK)
    for seed, backbone in product(range(budget.seeds), ("lite0", "vgg")):
        yield Cell(f"thetas/cub-{backbone}", "thetas", {"split": "test"}, ("cub",), (f"cub/{backbone}/gap/none",), seed,
                   CUB_TEST * LOOK)  # fmt: skip
    for name, pair in (
        ("birds-from-lite0", ("thetas/birds", "thetas/lite0")),
        ("lite0-from-birds", ("thetas/lite0", "thetas/birds")),
    ):
        yield Cell(f"threshold/{name}", "compare_thetas", {}, after=pair)
    for seed in range(budget.seeds):
        yield Cell("threshold/vgg-from-lite0", "compare_thetas", {}, after=("thetas/cub-vgg", "thetas/cub-lite0"),
                   seed=seed)  # fmt: skip


def tuned(budget: Budget) -> Iterable[Cell]:
    """Fc fine-tuned with MinMaxCAM's losses, from the networks that were trained plainly."""
    weights = (*WEIGHTS, *MORE_WEIGHTS) if budget.whole else WEIGHTS
    for seed, backbone in product(range(budget.seeds), TUNED):
        base, near = f"cub/{backbone}/gap/none", f"minmax/{backbone}"
        common = {"steps": budget.steps, "lr": 0.01, "sets": budget.sets, "set_size": 5, "mask": "input"}
        tried = {f"{near}/crr{crr}-frr{frr}": common | {"crr": crr, "frr": frr} for crr, frr in weights}
        others = {f"{near}/crr20-frr20-features": common | {"crr": 20, "frr": 20, "mask": "features"}}
        if backbone == "lite0-16" or budget.whole:
            for size in (2, 3, 4) if budget.whole else (2,):
                sets = round(5 * budget.sets / size)
                others[f"{near}/crr20-frr0-s{size}"] = common | {"crr": 20, "frr": 0, "set_size": size, "sets": sets}
        seconds = 5 * budget.sets * budget.steps * STAGE_TWO + CUB_TRAIN * LOOK + (CUB_TEST + HELD) * LOOK
        seconds *= CHEAP if backbone in FROM_NOTHING else 1
        for name, settings in (tried | others).items():
            yield Cell(name, "finetune", settings, ("cub",), (base,), seed, seconds)
        yield Cell(f"{near}/chosen", "choose_weights", {}, after=tuple(tried), seed=seed)
        if backbone != "lite0":
            yield Cell(f"{near}/classes-by-lite0", "separate_classifier", {"split": "test"}, ("cub",),
                       (f"{near}/chosen", "cub/lite0/gap/none"), seed, 2 * CUB_TEST * LOOK)  # fmt: skip


def cells_for(plan: Sequence[Cell], names: Iterable[str]) -> list[Cell]:
    """The cells of these names and all that they take results of, in the plan's order."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [before for cell in plan if cell.name == name for before in cell.after]
    return [cell for cell in plan if cell.name in needed]


def check_folders(folders: Mapping[str, Path]) -> dict[str, Path]:
    """The folders by name; those of birds-csv where they are found in cub's.

    Raises
    ------
    CamkitError
        A name is unknown, or a folder is not there.
    """
    for name, folder in folders.items():
        if name not in DATA:
            raise CamkitError(f"--data {name}: give one of {', '.join(DATA)}")
        if not folder.is_dir():
            raise CamkitError(f"--data {name}={folder}: there is no such folder")
    found = dict(folders)
    if "birds-csv" not in found and "cub" in found and (found["cub"] / "birds.csv").is_file():
        found["birds-csv"] = found["cub"]
    return found
