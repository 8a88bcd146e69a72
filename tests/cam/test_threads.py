"""Several passes through one model at once: each sees its own tensors, and the maps are those of one thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from small import Functional, Plain, perturb
from torch import nn

from camkit import CAM, CamkitError, HeadNotFound, Localizer
from camkit.input_spec import InputSpec

THREADS, IMAGES = 4, 60


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(IMAGES, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return perturb(Plain(channels=32))


@pytest.fixture(params=[Plain, Functional], ids=["a module's output", "made again after a module"])
def any_model(request):
    torch.manual_seed(0)
    return perturb(request.param(channels=32))


def at_once(jobs):
    """What the jobs give, started at the same moment, a thread each."""
    gate = threading.Barrier(len(jobs))

    def run(job):
        gate.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


def hooks(model) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("shared", [True, False], ids=["one extractor", "an extractor a thread"])
def test_four_threads_of_sixty_images_give_the_maps_of_one_to_the_bit(any_model, shared):
    cams = [CAM(any_model, (32, 32))] * THREADS if shared else [CAM(any_model, (32, 32)) for _ in range(THREADS)]

    def maps(number: int) -> torch.Tensor:
        return torch.cat([cams[number](image[None], "all").maps for image in pictures(number)])

    alone = [maps(number) for number in range(THREADS)]
    for found, expected in zip(at_once([lambda n=n: maps(n) for n in range(THREADS)]), alone, strict=True):
        assert torch.equal(found, expected)
    assert hooks(any_model) == 0


def test_a_head_is_found_while_other_threads_run_the_model(model):
    cam = CAM(model, (32, 32))
    alone = cam(pictures(0), "all").maps
    done = threading.Event()

    def busy() -> bool:
        equal = True
        while not done.is_set():
            equal &= torch.equal(cam(pictures(0), "all").maps, alone)
        return equal

    def finding() -> list:
        try:
            heads = [CAM(model, (32, 32)).head for _ in range(15)]
            given = CAM(model, (32, 32), head={"features": "features", "classifier": "fc"}).head
        finally:
            done.set()
        return [*heads, given]

    *equal, heads = at_once([busy, busy, finding])
    assert equal == [True, True]
    assert {(head.feature_map.place.module, head.classifier, head.map_size) for head in heads} == {
        ("features", "fc", (8, 8))
    }


def test_passes_that_fail_beside_others(model):
    """One thread's images have a channel too many."""
    cam = CAM(model, (32, 32))
    alone = cam(pictures(0), "all").maps

    def fails() -> int:
        count = 0
        for _ in range(30):
            with pytest.raises(CamkitError, match="own forward fails"):
                cam(torch.rand(2, 4, 32, 32))
            count += 1
        return count

    def works() -> bool:
        return all(torch.equal(cam(pictures(0), "all").maps, alone) for _ in range(30))

    assert at_once([fails, works, fails, works]) == [30, True, 30, True]
    assert hooks(model) == 0


def test_the_compiler_is_as_it_was_after_passes_that_overlap(model):
    from torch._dynamo import eval_frame

    before = eval_frame._stance
    model.features = torch.compile(model.features, backend="eager")
    cam = CAM(model, (32, 32))
    alone = cam(pictures(0)[:4], "all").maps

    def maps() -> bool:
        return all(torch.equal(cam(pictures(0)[:4], "all").maps, alone) for _ in range(20))

    assert all(at_once([maps] * THREADS))
    assert eval_frame._stance == before


class Curious(Plain):
    """Before and after its own features it looks at the maps of other images, with extractors of itself."""

    cam = None

    def forward(self, x):
        if self.cam is None:
            return super().forward(x)
        cam, self.cam = self.cam, None
        before = cam(x.flip(0), "all")
        y = self.features(x)
        after = cam(x.flip(0), "all")
        assert torch.equal(before.maps, after.maps)
        self.cam = cam
        return self.fc(self.pool(y).flatten(1))


def test_a_pass_within_a_pass():
    torch.manual_seed(0)
    model = perturb(Curious())
    cam = CAM(model, (32, 32))
    expected = cam(pictures(0)[:4], "all").maps
    model.cam = CAM(model, (32, 32))
    assert torch.equal(cam(pictures(0)[:4], "all").maps, expected)


class HandsOver(Plain):
    """Its features are made by a thread of its own."""

    def forward(self, x):
        with ThreadPoolExecutor(1) as pool, torch.no_grad():
            y = pool.submit(self.features, x).result()
        return self.fc(self.pool(y).flatten(1))


def test_features_that_another_thread_makes_are_refused():
    """No pass may take what a foreign thread computes: it cannot tell whose it is."""
    torch.manual_seed(0)
    model = perturb(HandsOver())
    x = pictures(0)[:4]
    with pytest.raises(HeadNotFound):
        CAM(model, (32, 32))(x, "all")


def test_localizers_of_one_model_in_threads(model):
    spec = InputSpec((32, 32), 32, (0.0,) * 3, (1.0,) * 3)
    pixels = [(pictures(n)[:8] * 255).byte() for n in range(THREADS)]
    localizer = Localizer(model, input_spec=spec, device="cpu", batch_size=3)

    def boxes(number: int) -> list:
        found = localizer(list(pixels[number]))
        return [(one.box, one.label, one.score) for one in found]

    alone = [boxes(number) for number in range(THREADS)]
    assert at_once([lambda n=n: boxes(n) for n in range(THREADS)]) == alone


def test_hooks_with_arguments_by_name_survive_being_taken_away(model):
    """The pre-hook's form: PyTorch asks for it anew at each call, when another thread may have taken it away."""
    from camkit.cam.forward import picking_up
    from camkit.cam.trace import Place

    seen = []
    with picking_up(model, Place("fc", "input", 0, 1), seen.append):
        (hook,) = model.fc._forward_pre_hooks.values()
        hook(model.fc, (torch.ones(1),))
        hook(model.fc, (torch.ones(1),), {"a": torch.ones(1)})
    assert len(seen) == 2
    assert isinstance(model.fc, nn.Linear)
