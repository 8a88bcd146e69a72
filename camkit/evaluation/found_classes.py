"""Which of a data set's classes the classes of a file of boxes are, or why that cannot be told."""

from collections import Counter

from camkit.data import AnnotatedSet
from camkit.data.class_map import classes_of
from camkit.data.found_boxes import FoundBoxes, Kind
from camkit.errors import CamkitError
from camkit.evaluation.classes import imagenet_label
from camkit.models.class_names import ClassNames
from camkit.models.messages import some

REMEDY = "say which they are with --class-map FILE, or give --box-of any"


def match_kinds(found: FoundBoxes, dataset: AnnotatedSet) -> tuple[dict[int, Kind], list[str]]:
    """The file's class of each of the data set's labels, and what should be known of it, a line each.

    Names meet by name, as those of a model do (`camkit.evaluation.match_classes`), numbers the data set's own; a line
    of its class map comes first. A class of the file that is none of the data set's is another class; a class of the
    data set that the file does not name has no box in it, and is left out here.

    Raises
    ------
    CamkitError
        It cannot be told which is which, or no class of the file is one of the data set's.
    """
    names = classes_of(dataset)
    used = sorted({record.label for record in dataset.records if record.label is not None})
    named = sorted(kind for kind in found.kinds if isinstance(kind, str))
    model, met, notes = ClassNames(len(named), named), dict[int, Kind](), list[str]()
    for label in used:
        assigned = dataset.class_map.get(label)
        kinds = _own(label, names[label], dataset, model) if assigned is None else _assigned(assigned.to or "", found)
        if kinds:
            met[label] = kinds[0]
    own = [label for label in used if dataset.numbered and label not in dataset.class_map and label in found.kinds]
    if own:
        met |= {label: label for label in own}
        notes.append(f"{found.path} numbers its classes: they were taken for those of {dataset.name} {dataset.split} "
                     f"by number, {own[0]} for {names[own[0]]!r:.80}")  # fmt: skip
    if not met:
        example, mine = min(map(str, found.kinds)), names[used[0]] if used else ""
        raise CamkitError(f"{found.path}: none of its {len(found.kinds)} classes ({example!r:.80}, ...) can be told to "
                          f"be one of {dataset.name} {dataset.split} ({mine!r:.80}, ...); {REMEDY}")  # fmt: skip
    _check_apart(found, dataset, met)
    return met, notes + _strangers(found, dataset, met)


def _check_apart(found: FoundBoxes, dataset: AnnotatedSet, met: dict[int, Kind]) -> None:
    """`CamkitError` where two of the data set's classes are one of the file's, and no class map says so."""
    names, known = classes_of(dataset), dict[Kind, int]()
    for label, kind in met.items():
        other = known.setdefault(kind, label)
        if other != label and not {label, other} <= dataset.class_map.keys():
            raise CamkitError(f"{found.path}: its class {kind!r:.80} would be {names[other]!r:.80} and "
                              f"{names[label]!r:.80}; {REMEDY}")  # fmt: skip


def _assigned(to: str, found: FoundBoxes) -> list[Kind]:
    """What a class map's word means among the file's classes: none where the file has no box of it."""
    return [kind for kind in found.kinds if str(kind) == to]


def _own(label: int, name: str, dataset: AnnotatedSet, model: ClassNames) -> list[Kind]:
    """The file's class of the data set's name."""
    if dataset.class_names is None and dataset.wnids is None and dataset.imagenet_labels is None:
        return []
    called = model.called(name, imagenet_label(dataset, label))
    if len(called) > 1:
        said = " or ".join(repr((model.names or ())[number]) for number in called)
        raise CamkitError(f"{name!r:.80} may be the class {said} of the boxes; {REMEDY}")
    return [(model.names or ())[number] for number in called]


def _strangers(found: FoundBoxes, dataset: AnnotatedSet, met: dict[int, Kind]) -> list[str]:
    """The classes on either side that the other lacks."""
    names, count = classes_of(dataset), Counter(record.label for record in dataset.records if record.label is not None)
    others = sorted(map(str, found.kinds - set(met.values())))
    bare = sorted(count.keys() - met.keys())
    notes = []
    if others:
        notes.append(f"{len(others)} of the {len(found.kinds)} classes in {found.path} are none of {dataset.name} "
                     f"{dataset.split}, and their boxes are of other classes: {some(others)}")  # fmt: skip
    if bare:
        images = sum(count[label] for label in bare)
        notes.append(f"{found.path} has no box of {len(bare)} of the classes of {dataset.name} {dataset.split}, which "
                     f"have {images} images: {some([names[label] for label in bare])}")  # fmt: skip
    return notes
