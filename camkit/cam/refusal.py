"""Why a network has no class maps, and what would give it some."""

from camkit.cam.trace import Call, Value
from camkit.cam.walk import IMAGES, VIEWS, crossings, source

TRAIN = "train it with global average pooling and one linear layer instead"
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "matmul", "einsum", "mul", "mv"}
ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_fused_attention_overrideable",
    "scaled_dot_product_attention",
    "_native_multi_head_attention",
}
MAXIMUM = {"amax", "max", "max_pool2d_with_indices", "max_pool2d", "adaptive_max_pool2d", "topk", "sort"}
WINDOWS = {"convolution", "max_pool2d_with_indices", "max_pool2d", "avg_pool2d"}
ONE = {"select", "slice", "index", "unbind", "split", "split_with_sizes", "narrow"}


def shrunk(end: Value) -> bool:
    """Whether a map became a vector for want of rows and columns: a window that slides had room for one position."""
    return any(
        vector.call is not None and vector.call.name in WINDOWS and len(vector.shape) == 4
        for _, vector in crossings(end)
    )


def refusal(end: Value) -> str:
    """One line for the operations at which maps became vectors, on the way to the logits."""
    edges = [(vector.call, feature) for feature, vector in crossings(end) if vector.call is not None]
    if not edges:
        return "the logits are computed without any map of positions: is this a classifier of images?"
    found = [reason for call, feature in edges if (reason := reason_of(call, feature))]
    if found:
        return min(found)[1]
    pools = ", ".join(sorted({call.name for call, _ in edges}))
    if len({id(feature) for _, feature in edges}) > 1:
        return f"the classifier reads several feature maps, not one (by {pools})"
    shape = edges[0][1].shape
    if shape[0] != IMAGES:
        return f"the map of shape {shape} does not have the {IMAGES} images on its first axis: put them there"
    return f"a map of shape {shape[1:]} becomes a vector by {pools}, which is no mean over positions; {TRAIN}"


def reason_of(call: Call, feature: Value) -> tuple[int, str] | None:
    """Why this step is no mean, after the rank in which reasons are given."""
    maker = source(feature).call if call.name in VIEWS else call
    if attends(call) or (maker is not None and attends(maker)):
        return 0, (
            "positions are weighted by attention before the classifier, not averaged; a variant with average pooling "
            "works"
        )
    if call.name in MAXIMUM:
        return 1, f"it pools by the maximum, which no sum over positions equals; {TRAIN}"
    if call.name in ONE and feature.shape[0] != IMAGES:
        return 2, (
            f"it makes {feature.shape[0]} images of {IMAGES} (views of each, as one batch) and joins the answers, "
            "so that no map is of one image; take the network that it calls for each view"
        )
    if call.name in ONE:
        return 2, (
            "the classifier reads one position (of tokens: a class token), and neither a mean over positions nor a "
            "softmax over them leads to it by linear steps; a variant that averages its tokens works"
        )
    if call.name in PRODUCTS | {"convolution"}:
        layer = "convolution" if call.name == "convolution" else "linear layer"
        return 3, f"a {layer} over the whole {described(feature)} gives each position weights of its own; {TRAIN}"
    flat = f"it flattens a {described(source(feature))} into the classifier, so no class weight belongs to a channel "
    return (4, f"{flat}alone; {TRAIN}") if call.name in VIEWS else None


def attends(call: Call) -> bool:
    """Whether the operation weighs positions by numbers that are computed from the image."""
    return call.name in ATTENTION or (call.name in PRODUCTS and len(set(call.parents)) > 1)


def described(feature: Value) -> str:
    """A map in words."""
    if len(feature.shape) == 4:
        return f"{'x'.join(map(str, feature.shape[2:]))} map of {feature.shape[1]} channels"
    return f"map of shape {feature.shape[1:] if feature.shape[0] == IMAGES else feature.shape}"
