"""What lines of a measuring run depend on: an image, its mask, what annotations say of it."""

import pytest
import torch

from camkit.data import AnnotatedSet, Record
from camkit.data.formats.masks import MaskFiles
from camkit.data.formats.segmentations import Masks, Segmentation
from camkit.data.sources import FileBytes
from camkit.errors import CamkitError
from camkit.output.measured_folder import MeasuredFolder
from camkit.process_group import ProcessGroup
from camkit.runs.fingerprint import records_digest

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
FILES = ("a.png", "a_mask.png", "a_ignored.png")


@pytest.mark.parametrize(("changed", "told"), [(0, "a.png holds"), (1, "the mask or map of a.png holds"),
                                               (2, "the mask or map of a.png holds")])  # fmt: skip
def test_other_bytes_of_an_image_or_its_mask_are_another_run(tmp_path, changed, told):
    for name in FILES:
        (tmp_path / name).write_bytes(name.encode())
    image, mask, ignored = (FileBytes(str(tmp_path / name)) for name in FILES)
    records = [Record("a.png", image, read_mask=MaskFiles((mask,), ignored))]

    def opened(*, resume):
        return MeasuredFolder(tmp_path / "out", records, [], {"command": "evaluate"}, {}, resume=resume,
                              overwrite=False, group=ALONE)  # fmt: skip

    with opened(resume=False) as folder:
        folder.add(0, {"boxes": 1})
    with opened(resume=True) as folder:
        assert folder.done == 1
    (tmp_path / FILES[changed]).write_bytes(b"other")
    with pytest.raises(CamkitError) as refusal:
        opened(resume=True)
    assert f": {told} other bytes than when it was finished;" in str(refusal.value)


def test_masks_that_annotations_hold_are_in_their_digest():
    def digest(**objects):
        drawn = {name: [Segmentation("line 1", one) for one in written] for name, written in objects.items()}
        record = Record("a.png", bytes, read_mask=Masks("a.png", bytes, (4, 4), **drawn))
        return records_digest(AnnotatedSet("coco", "val", [record], ("bird",), []))

    square, other = [[0, 0, 2, 0, 2, 2]], [[0, 0, 3, 0, 3, 3]]
    told = [digest(objects=[square]), digest(objects=[other]), digest(objects=[square, other]),
            digest(objects=[square], crowds=[other])]  # fmt: skip
    assert len(set(told)) == 4
    assert digest(objects=[square]) == told[0]
