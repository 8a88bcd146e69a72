"""Fine-tuning fc with MinMaxCAM's losses on a frozen backbone, and choosing their weights on annotated images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan

import torch
from torch import nn

from camkit.cam import find_fc
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.errors import CamkitError, Diverged
from camkit.evaluation import Evaluation, evaluate
from camkit.inference import Inference
from camkit.models import Classifier
from camkit.process_group import ProcessGroup
from camkit.progress import progress_bar
from camkit.recipe import RECIPES
from camkit.training.frozen import frozen
from camkit.training.minmax.images import ImageSets, LabelledImages
from camkit.training.minmax.settings import Descent, MinMax, Schedule
from camkit.training.minmax.stages import StageOne, StageTwo
from camkit.training.minmax.trials import Finetuned, Trial, figures, score

USUAL, PUBLISHED, TEN_EPOCHS = MinMax(), Descent(), Schedule()


def finetune_fc(
    classifier: Classifier,
    dataset: AnnotatedSet,
    settings: MinMax | Sequence[MinMax] = USUAL,
    *,
    validation: AnnotatedSet | None = None,
    descent: Descent = PUBLISHED,
    schedule: Schedule = TEN_EPOCHS,
    fit: Fit = "stretch",
    head: dict[str, str] | None = None,
    workers: int = 0,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: float = 4.0,
    step: float = 0.01,
    show_progress: bool = False,
) -> Finetuned:
    """Fine-tune the last linear layer of a classifier with MinMaxCAM's losses; the backbone is frozen throughout.

    Every mini-batch takes both stages: cross-entropy on fc's weight and bias (stage I), then CRR and FRR on the weight
    alone (stage II). The images are not augmented: features of images as they are are computed once and kept.

    Parameters
    ----------
    classifier : Classifier
        Its model's fc is changed in place, and nothing else of it.
    dataset : AnnotatedSet
        To train on; boxes are not used.
    settings : MinMax or sequence of MinMax
        Several are tried one after the other, each from the same fc, and the best on `validation` is chosen.
    validation : AnnotatedSet, optional
        Images with boxes. The best step and settings are those with the highest MaxBoxAccV2 of plain CAM, which may be
        the start. Without it the last step is kept.
    descent : Descent
    schedule : Schedule
    fit : {"stretch", "crop"}
        Inputs must have one size.
    head : dict, optional
        See `camkit.CAM`.
    workers : int
        Processes that read images.
    device : str
    max_pixels : int
        Larger images are refused.
    memory : float
        GiB up to which feature maps stay in memory; past it they are kept on disk.
    step : float
        Between the thresholds of MaxBoxAccV2.

    Returns
    -------
    Finetuned

    Raises
    ------
    CamkitError
        The head cannot be retrained, the data set's classes are not the model's, or the sets cannot be made.
    """
    grid = [settings] if isinstance(settings, MinMax) else list(settings)
    _check(grid, validation, fit, memory)
    inference = Inference(classifier, device, "fp32", head)
    group = ProcessGroup.current(inference.device)
    fc = find_fc(inference.cam.model, inference.cam.head)
    images = LabelledImages(inference, dataset, group, fit=fit, workers=workers, max_pixels=max_pixels,
                            memory=memory)  # fmt: skip
    batches = {one: images.sets(one, schedule) for one in grid}

    def validate() -> Evaluation | None:
        if validation is None:
            return None
        # the head anew: what was found of it holds the weights that it had then
        return evaluate(Inference(classifier, device, "fp32", head), validation, {"cam": RECIPES["cam"]}, fit=fit,
                        workers=workers, max_pixels=max_pixels, step=step, group=group)  # fmt: skip

    named = {name: p for name, p in classifier.model.named_parameters() if any(p is own for own in fc.parameters)}
    before, start, trials = validate(), copied(named), []
    for one, sets in batches.items():
        restore(named, start)
        trial = Trial(one, sets.facts(), start, before)
        stages = StageOne(fc, images.classes, descent), StageTwo(inference.cam, one, descent)
        bar = progress_bar(what=trial.name, total=sets.steps, unit="step", shown=show_progress)
        with bar, frozen(classifier.model, fc.parameters):
            for _ in tune(trial, *stages, images, sets, named, schedule, validate):
                bar.update()
        trials.append(trial)
    chosen = trials[0] if validation is None else max(trials, key=lambda trial: trial.score)
    restore(named, chosen.state)
    return _finetuned(trials, chosen, before, images, group)


def _finetuned(
    trials: list[Trial], chosen: Trial, before: Evaluation | None, images: LabelledImages, group: ProcessGroup
) -> Finetuned:
    """What all processes found; refused where none of the images could be read."""
    failures = list(dict.fromkeys(group.all_gather(list(images.failures.values()))))
    rows = [row for trial in trials for row in trial.rows]
    if rows and all(isnan(row["cross_entropy"]) for row in rows):
        raise CamkitError(f"none of the images to train on can be read: {failures[0].image}: {failures[0].reason}")
    return Finetuned(trials, chosen, before, failures + (before.failures if before else []), images.facts(failures))


def _check(grid: Sequence[MinMax], validation: AnnotatedSet | None, fit: Fit, memory: float) -> None:
    """That this call can be carried out."""
    if len(grid) > 1 and validation is None:
        raise CamkitError("several settings need annotated images to choose on: give --val-split, or one setting")
    if validation is not None and not validation.has_boxes:
        raise CamkitError(
            f"{validation.name} {validation.split} has no box, and MaxBoxAccV2 chooses: validate on a split with boxes"
        )
    if not memory >= 0:
        raise CamkitError(f"--memory {memory}: give 0 GiB or more")
    if fit == "keep":
        raise CamkitError("--fit keep gives inputs of several sizes: fine-tune with stretch or crop")


def copied(named: Mapping[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    """Parameters as they are now."""
    return {name: parameter.detach().clone() for name, parameter in named.items()}


@torch.no_grad()
def restore(named: Mapping[str, nn.Parameter], state: Mapping[str, torch.Tensor]) -> None:
    """Parameters as they were."""
    for name, parameter in named.items():
        parameter.copy_(state[name])


def tune(
    trial: Trial,
    stage_one: StageOne,
    stage_two: StageTwo,
    images: LabelledImages,
    sets: ImageSets,
    named: Mapping[str, nn.Parameter],
    schedule: Schedule,
    validate: Callable[[], Evaluation | None],
) -> Iterator[None]:
    """Take both stages each mini-batch and write down in `trial` what came of it; an item a mini-batch."""
    val_every, waited = schedule.val_every or len(sets.class_sets), 0
    for done, (epoch, (inputs, indices, _)) in enumerate(sets, 1):
        pixels, labels = inputs.to(images.device), images.labels[indices].to(images.device)
        plain, good = images.kept.of(indices, pixels), copied(named)
        try:
            entropy = stage_one.step(plain.pooled, labels)
            losses = stage_two.step(pixels, labels, plain)
        except Diverged as error:
            restore(named, good)
            trial.stopped, trial.diverged = f"step {done}: {error}", True
        else:
            measured = {"cross_entropy": entropy, **losses._asdict()}
            trial.rows.append({"step": done, "epoch": epoch, **{name: float(of) for name, of in measured.items()}})
            yield
        last = trial.diverged or done == sets.steps
        if last or done % val_every == 0:
            waited = 0 if _is_gain(trial, validate(), named) else waited + 1
        if waited == schedule.patience and not last:
            trial.stopped = f"step {done}: {waited} validations without a gain"
        if trial.stopped:
            return


def _is_gain(trial: Trial, found: Evaluation | None, named: Mapping[str, nn.Parameter]) -> bool:
    """Write a validation down, and keep fc where it is the best so far; without one the last is."""
    trial.last = found
    if found is not None and trial.rows:
        trial.rows[-1] |= figures(found)
    if found is not None and not score(found) > trial.score:
        return False
    trial.found, trial.step, trial.state = found, len(trial.rows), copied(named)
    return True
