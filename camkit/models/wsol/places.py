"""Where in each of the papers' backbones the training methods reach in: names of modules, by method.

ADL's stand in `BACKBONES`. A method whose name has a suffix, such as ``spg as published``, goes there instead with that
option. Where a paper or its code names the place a comment says so; the others are camkit's choice.
"""

PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    # what both heads read: the paper and its code, VGG16's and GoogLeNet's last convolutions
    "acol": {
        "vgg16": ("features.29",),
        "vgg16-acol": ("smooth",),
        "vgg16-nl": ("features.non_local_29",),
        "resnet50": ("layer4",),
        "resnet50-se": ("layer4",),
        "mobilenet-v1": ("features.13",),
        "mobilenet-v2": ("features.17",),
        "googlenet": ("inception4e",),
        "inception-v3": ("Mixed_6e",),
        "vgg-small": ("features.11",),
        "vgg-small-bn": ("features.16",),
        "resnet-small": ("features.5",),
    },
    # what is erased: the published code, for VGG16, after the fourth pooling
    "eil": {
        "vgg16": ("features.23",),
        "vgg16-nl": ("features.23",),
        "vgg16-acol": ("features.23",),
        "resnet50": ("layer3",),
        "resnet50-se": ("layer3",),
        "mobilenet-v1": ("features.11",),
        "mobilenet-v2": ("features.13",),
        "googlenet": ("inception4a",),
        "inception-v3": ("Mixed_6a",),
        "vgg-small": ("features.9",),
        "vgg-small-bn": ("features.13",),
        "resnet-small": ("features.4",),
    },
    # the two guided layers, the earlier one first: the paper and its code, for InceptionV3; the WSOL benchmark, for
    # VGG16 in ACoL's form
    "spg": {
        "vgg16": ("features.22", "features.29"),
        "vgg16-nl": ("features.22", "features.29"),
        "vgg16-acol": ("smooth", "relu6"),
        "resnet50": ("layer2", "layer3"),
        "resnet50-se": ("layer2", "layer3"),
        "mobilenet-v1": ("features.5", "features.11"),
        "mobilenet-v2": ("features.6", "features.13"),
        "googlenet": ("inception3b", "inception4d"),
        "inception-v3": ("Mixed_5d", "Mixed_6e"),
        "vgg-small": ("features.9", "features.11"),
        "vgg-small-bn": ("features.13", "features.16"),
        "resnet-small": ("features.3", "features.4"),
    },
    # the orders' head, then the families': the paper and its code, for VGG16 and InceptionV3
    "danet": {
        "vgg16": ("features.16", "features.23"),
        "vgg16-nl": ("features.16", "features.23"),
        "vgg16-acol": ("features.16", "features.23"),
        "resnet50": ("layer2", "layer3"),
        "resnet50-se": ("layer2", "layer3"),
        "mobilenet-v1": ("features.5", "features.11"),
        "mobilenet-v2": ("features.6", "features.13"),
        "googlenet": ("inception3b", "inception4d"),
        "inception-v3": ("maxpool2", "Mixed_5d"),
        "vgg-small": ("features.4", "features.9"),
        "vgg-small-bn": ("features.6", "features.13"),
        "resnet-small": ("features.3", "features.4"),
    },
    # where the backbone ends and the new layers begin, as in the published code; others end in their last feature map
    "i2c": {
        "vgg16": ("features.29",),
        "vgg16-acol": ("smooth",),
        "googlenet": ("inception4e",),
        "inception-v3": ("Mixed_6e",),
        "vgg-small": ("features.11",),
        "vgg-small-bn": ("features.16",),
    },
    "spg as published": {"inception-v3": ("Mixed_5d", "Mixed_6d")},
}


def places_in(backbone: str) -> dict[str, tuple[str, ...]]:
    """Each method's places in a backbone, where it has some."""
    return {method: its[backbone] for method, its in PLACES.items() if backbone in its}
