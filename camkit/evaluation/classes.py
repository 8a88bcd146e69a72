"""A data set's classes and a model's: which is which, or why that cannot be told."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from camkit.data import AnnotatedSet
from camkit.data.class_map import classes_of, listed
from camkit.errors import CamkitError
from camkit.imagenet import imagenet_meanings, imagenet_names, is_imagenet_wnid
from camkit.models import Classifier
from camkit.models.class_names import NUMBER, ClassNames
from camkit.models.messages import some

REMEDY = "give the model's names with --class-names FILE, or --class-map FILE with a line for each class"


@dataclass(frozen=True)
class ClassMatch:
    """Which of the model's classes the data set's are.

    Attributes
    ----------
    numbers : mapping from int to int
        From the data set's labels to the model's classes, for all labels that have images.
    by : {"name", "number", "ImageNet's order"}
        How those met that have no line in a class map.
    notes : tuple of str
        What should be known of it, a line each: that nothing but numbers says so, that classes are left out.
    in_words : mapping from str to str
        `numbers` in words.
    """

    numbers: Mapping[int, int]
    by: str
    notes: tuple[str, ...]
    in_words: Mapping[str, str]

    def facts(self, *, pairs: bool = True) -> dict[str, Any]:
        """For the record of a run; without `pairs`, in short."""
        short = {"matched_by": self.by, "notes": list(self.notes)}
        return {**short, "pairs": dict(self.in_words)} if pairs else short


def match_classes(dataset: AnnotatedSet, classifier: Classifier, num_classes: int) -> ClassMatch:
    """Which of the model's classes the data set's are.

    1. A class map (`camkit.data.map_classes`) comes first; what has no line in it must meet by name.
    2. Where both have names, classes meet by name, see `ClassNames.named`; none ever meets by number.
    3. Where the model has none, classes of ImageNet (WordNet ids, or the data set states their numbers) meet a model of
       1,000 classes in ImageNet's order. Others meet by number, if there are as many and the data set numbers them.
    4. Where the data set has none, its labels are the model's numbers.

    Whatever is not by name has a note.

    Parameters
    ----------
    dataset : AnnotatedSet
        Classes without an image in it need not meet.
    classifier : Classifier
        Names that were assumed of it count as none.
    num_classes : int
        Of the model.

    Raises
    ------
    CamkitError
        For a class it cannot be told which it is.
    """
    dataset = dataset.whole or dataset
    own = None if classifier.class_names_assumed else classifier.class_names
    model, where = ClassNames(num_classes, own), f"{dataset.name} {dataset.split} and {classifier.name}"
    used = sorted({record.label for record in dataset.records if record.label is not None})
    rest = [label for label in used if label not in dataset.class_map]
    by, notes = "name", list[str]()
    nameless = dataset.class_names is None and dataset.imagenet_labels is None and dataset.wnids is None
    if rest and not dataset.class_map and (own is None or nameless):
        by = "number"
        imagenets = num_classes == len(imagenet_names()) and all(imagenet_label(dataset, n) is not None for n in rest)
        if own is None and imagenets:
            by, model = "ImageNet's order", ClassNames(num_classes, imagenet_names())
    try:
        met = _by_number(dataset, model, rest) if by == "number" else _by_name(dataset, model, rest)
    except CamkitError as error:
        raise CamkitError(f"{where}: {error}") from None
    if by != "name":
        notes.append(_note(by, dataset, classifier, model))
    numbers = met | {label: number for label, number in _by_map(dataset, model).items() if label in used}
    names = classes_of(dataset)
    notes += _merged_notes(dataset, numbers, model)
    notes += left_out_notes(dataset)
    return ClassMatch(numbers, by, tuple(notes), {names[label]: model.in_words(numbers[label]) for label in used})


def imagenet_label(dataset: AnnotatedSet, label: int) -> int | None:
    """Which of ImageNet's classes it is, where the data set itself says so: by number or by WordNet id."""
    if dataset.imagenet_labels is not None:
        return dataset.imagenet_labels[label]
    wnid = classes_of(dataset)[label] if dataset.wnids is None else dataset.wnids[label]
    return next(iter(imagenet_meanings(wnid))) if is_imagenet_wnid(wnid) else None


def _note(by: str, dataset: AnnotatedSet, classifier: Classifier, model: ClassNames) -> str:
    name, k, split = classifier.name, model.num_classes, f"{dataset.name} {dataset.split}"
    if by != "number":
        return (
            f"{name} does not name its {k} classes: they were taken for ImageNet's in their usual order, as "
            f"{split} has ImageNet's classes; --class-names imagenet says so, --class-names FILE what else they are"
        )
    if dataset.class_names is not None:
        return (
            f"{name} does not name its {k} classes: they were taken for those of {split} by number, 0 for "
            f"{dataset.class_names[0]!r:.80}; --class-names FILE tells whether they are"
        )
    highest = max(classes_of(dataset))
    example = "" if model.names is None else f", {highest} for {model.names[highest]!r:.80}"
    return (
        f"{split} does not name its classes: its labels, up to {highest}, were taken for numbers of {name}'s {k} "
        f"classes{example}; --class-map FILE says otherwise"
    )


def _by_map(dataset: AnnotatedSet, model: ClassNames) -> dict[int, int]:
    """What the class map says."""
    found: dict[int, int] = {}
    bad = []
    for label, assigned in dataset.class_map.items():
        try:
            found[label] = model.find(assigned.to or "")
        except CamkitError as error:
            nameless = "" if model.names else ": the model has no names, give numbers or --class-names"
            bad.append((assigned.where, f"{error}{nameless}"))
    if bad:
        raise CamkitError(f"{dataset.class_map_file}: {listed(list(dict.fromkeys(bad)))}")
    return found


def _by_name(dataset: AnnotatedSet, model: ClassNames, rest: list[int]) -> dict[int, int]:
    names = classes_of(dataset)
    if dataset.class_names is not None and dataset.class_names == model.names:
        return {label: label for label in rest}  # one list, and be there two of a name
    met: dict[int, int] = {}
    strangers: dict[str, str] = {}
    for label in rest:
        try:
            met[label] = model.named(names[label], imagenet_label(dataset, label))
        except CamkitError as error:
            strangers[names[label]] = str(error)
    if strangers:
        first, *others = strangers
        more = f"; the same goes for {len(others)} more of {len(rest)} classes: {some(others)}" if others else ""
        raise CamkitError(f"{strangers[first]}{more}; {_line_for(first)}")
    for number, labels in _in_common(met).items():
        first, second, *_ = (names[label] for label in labels)
        raise CamkitError(
            f"{first!r:.80} and {second!r:.80} both would be the model's class {model.in_words(number)}; "
            f"{_line_for(first)}"
        )
    return met


def _line_for(name: str) -> str:
    quoted = f'"{name}"' if "," in name else name
    return (
        f"say which it is with --class-map FILE, under the first line dataset,model: {quoted:.80},NAME_OR_NUMBER, "
        f"or {quoted:.80},- to leave its images out"
    )


def _by_number(dataset: AnnotatedSet, model: ClassNames, rest: list[int]) -> dict[int, int]:
    names, count = classes_of(dataset), len(dataset.class_names or ())
    if dataset.class_names is None:
        try:
            for label in rest:
                model.find(str(label))  # refuses what the model has not, or has as the name of another
        except CamkitError as error:
            raise CamkitError(
                f"{error}; take a model of these classes, or say which they are with --class-map"
            ) from None
    elif count != model.num_classes:
        raise CamkitError(
            f"the data set names {count} classes ({names[rest[0]]!r:.80}, ...) and the model has {model.num_classes} "
            f"without names: it cannot be told which is which; {REMEDY}"
        )
    elif not dataset.numbered:
        raise CamkitError(
            f"the data set names its classes ({names[rest[0]]!r:.80}, ...) and does not number them, the model numbers "
            f"its classes and does not name them: it cannot be told which is which; {REMEDY}"
        )
    else:
        odd = [label for label in rest if NUMBER.fullmatch(names[label]) and names[label] != str(label)]
        if odd:
            raise CamkitError(
                f"the data set's class {odd[0]} is called {names[odd[0]]!r}: it cannot be told whether its number "
                f"or its name is that of the model's class; {REMEDY}"
            )
    return {label: label for label in rest}


def left_out_notes(dataset: AnnotatedSet) -> list[str]:
    """That a class map leaves classes out, where it does."""
    if not dataset.left_out:
        return []
    classes = ", ".join(f"{name!r:.80} ({count})" for name, count in dataset.left_out.items())
    return [f"{dataset.class_map_file} leaves out {sum(dataset.left_out.values())} images of {dataset.name} "
            f"{dataset.split}: {classes}"]  # fmt: skip


def _in_common(numbers: Mapping[int, int]) -> dict[int, list[int]]:
    """The model's classes that several labels are, and which labels."""
    labels: defaultdict[int, list[int]] = defaultdict(list)
    for label, number in numbers.items():
        labels[number].append(label)
    return {number: own for number, own in labels.items() if len(own) > 1}


def _merged_notes(dataset: AnnotatedSet, numbers: Mapping[int, int], model: ClassNames) -> list[str]:
    """A note for each class of the model that several of the data set's are, by the class map's word.

    Raises
    ------
    CamkitError
        Two of them are in one image: what is where they both are is one question, and has two records.
    """
    names, notes = classes_of(dataset), []
    for number, labels in _in_common(numbers).items():
        if not dataset.class_map:  # the same list, with a name twice
            continue
        several = ", ".join(repr(names[label]) for label in labels)
        notes.append(f"{several} all are the model's class {model.in_words(number)}")
        seen: set[str] = set()
        for record in dataset.records:
            if record.label in labels and record.image in seen:
                raise CamkitError(
                    f"{dataset.class_map_file}: {several} all are the model's class {model.in_words(number)}, and "
                    f"{record.image!r} shows two of them: leave all but one out, with -"
                )
            if record.label in labels:
                seen.add(record.image)
    return notes
