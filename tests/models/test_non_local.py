"""NL-CCAM's blocks and backbone against the sum over positions written out."""

import torch
import torchvision
from small import perturb

from camkit import CAM
from camkit.models import BACKBONES, load_pretrained
from camkit.models.wsol.non_local import NonLocal2d


def test_every_position_is_mixed_with_all_by_attention():
    torch.manual_seed(0)
    block = perturb(NonLocal2d(16)).double()
    x = torch.randn(2, 16, 3, 4, dtype=torch.float64, requires_grad=True)
    query, key, value = (
        torch.stack([layer.weight[:, :, 0, 0] @ one.flatten(1) + layer.bias[:, None] for one in x])
        for layer in (block.query, block.key, block.value)
    )
    rows = []
    for n in range(2):
        columns = []
        for p in range(12):
            scores = torch.stack([(query[n, :, p] * key[n, :, other]).sum() for other in range(12)]).exp()
            columns.append(sum(scores[other] * value[n, :, other] for other in range(12)) / scores.sum())
        mixed = block.out.weight[:, :, 0, 0] @ torch.stack(columns, 1) + block.out.bias[:, None]
        norm = block.norm
        scaled = (mixed - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps).sqrt()
        rows.append(x[n] + (norm.weight[:, None] * scaled + norm.bias[:, None]).reshape(16, 3, 4))
    torch.testing.assert_close(block(x), torch.stack(rows))
    outs = block(x), torch.stack(rows)
    found, expected = (torch.autograd.grad(out.sin().sum(), x, retain_graph=True)[0] for out in outs)
    torch.testing.assert_close(found, expected)
    assert torch.equal(NonLocal2d(16)(x.float()), x.float())


def test_the_backbone_takes_vgg16_s_weights_and_has_an_exact_head():
    torch.manual_seed(0)
    backbone = BACKBONES["vgg16-nl"]
    model = backbone.build(5)
    state = torchvision.models.vgg16(weights=None).features.state_dict(prefix="features.")
    loaded, fresh = load_pretrained(model, state)
    assert set(loaded) == set(state)
    assert all(backbone.is_new(name) for name in fresh)
    assert [name for name, _ in model.features.named_children() if "non" in name] == [
        "non_local_9", "non_local_16", "non_local_23", "non_local_29",
    ]  # fmt: skip
    for block in model.modules():
        if isinstance(block, NonLocal2d):
            torch.nn.init.constant_(block.norm.weight, 0.3)
            block.norm.momentum = 1.0
    model.train()(torch.randn(4, 3, 64, 64))  # norms with the statistics of a batch, as training leaves them
    cam, x = CAM(model.eval(), (64, 64)), torch.randn(2, 3, 64, 64)
    assert (cam.head.kind, cam.head.map_size, cam.head.channels) == ("exact", (4, 4), 512)
    with torch.no_grad():
        expected = torch.einsum("kc,nchw->nkhw", model.fc.weight, model.features(x))
    torch.testing.assert_close(cam(x, "all").maps, expected)
