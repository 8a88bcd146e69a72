"""The backbones of the weakly supervised localization literature: `wsol:NAME`."""

from camkit.input_spec import InputSpec
from camkit.models.wsol.backbone import HALF, Backbone
from camkit.models.wsol.inception import googlenet, inception_v3
from camkit.models.wsol.mobilenet import mobilenet_v1, mobilenet_v2
from camkit.models.wsol.non_local import vgg16_nl
from camkit.models.wsol.places import PLACES, places_in
from camkit.models.wsol.resnet import resnet50, resnet50_se, resnet_small
from camkit.models.wsol.vgg import vgg16, vgg16_acol, vgg_small, vgg_small_bn

PREFIX = "wsol:"

IMAGENET, INCEPTION = InputSpec(), InputSpec(mean=HALF, std=HALF)
SMALL = InputSpec((64, 64), 64, HALF, (0.25, 0.25, 0.25))

BACKBONES: dict[str, Backbone] = {
    # ADL at pool3, conv4_3 and conv5_3, each after its ReLU
    "vgg16": Backbone(vgg16, IMAGENET, ("conv6", "fc"), ("features.16", "features.22", "features.29"), "vgg16"),
    "vgg16-acol": Backbone(
        vgg16_acol, IMAGENET, ("conv6", "conv7", "fc"), ("features.16", "features.22", "features.29"), "vgg16"
    ),
    "resnet50": Backbone(resnet50, IMAGENET, ("fc",), ("layer3.0", "layer4.0", "layer4.2"), "resnet50"),
    "resnet50-se": Backbone(
        resnet50_se, IMAGENET, ("fc", "se"), ("layer3.0", "layer4.0", "layer4.2"), "resnet50"
    ),
    # the papers do not say where ADL sits in the following: after the first block of each late width, and at the end
    "mobilenet-v1": Backbone(mobilenet_v1, IMAGENET, ("fc",), ("features.6", "features.12", "features.13")),
    "mobilenet-v2": Backbone(
        mobilenet_v2, IMAGENET, ("classifier",), ("features.7", "features.14", "features.17"), "mobilenet_v2"
    ),
    "googlenet": Backbone(
        googlenet, INCEPTION, ("conv6", "conv7", "classifier"), ("inception4a", "inception4e", "relu7"), "googlenet"
    ),
    "inception-v3": Backbone(
        inception_v3, INCEPTION, ("conv6", "conv7", "classifier"), ("Mixed_6a", "Mixed_6e", "relu7"), "inception_v3"
    ),
    "vgg16-nl": Backbone(
        vgg16_nl, IMAGENET, ("non_local_9", "non_local_16", "non_local_23", "non_local_29", "fc"),
        ("features.16", "features.22", "features.29"), "vgg16",
    ),
    "vgg-small": Backbone(vgg_small, SMALL, (), ("features.9", "features.11", "relu6")),
    "vgg-small-bn": Backbone(vgg_small_bn, SMALL, (), ("features.13", "features.16", "relu6")),
    "resnet-small": Backbone(resnet_small, SMALL, (), ("features.4", "features.5")),
}  # fmt: skip

__all__ = ["BACKBONES", "PLACES", "PREFIX", "Backbone", "places_in"]
