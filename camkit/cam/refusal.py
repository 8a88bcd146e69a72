"""Why a network has no class maps, and what would give it some."""

from camkit.cam.trace import Value

TRAIN = "train it with global average pooling and one linear layer instead"
REASONS = (  # the first that names an operation at which a map became a vector
    ({"mm", "bmm", "addmm", "baddbmm", "matmul", "einsum", "convolution", "_scaled_dot_product_flash_attention_for_cpu",
      "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention", "scaled_dot_product_attention",
      "_scaled_dot_product_attention_math", "_native_multi_head_attention"},
     "positions are weighted by attention (or by a convolution over the whole map) before the classifier, "
     "not averaged; a variant with average pooling works"),
    ({"amax", "max", "max_pool2d_with_indices", "max_pool2d", "adaptive_max_pool2d"},
     "it pools by the maximum, which no sum over positions equals; " + TRAIN),
    ({"select", "slice", "index", "unbind", "split", "split_with_sizes", "narrow"},
     "the classifier reads one token (a class token) and no mean over positions; "
     "a variant that averages its tokens works"),
    ({"view", "_unsafe_view", "reshape", "flatten", "_reshape_alias"},
     "it flattens a {map} map of {channels} channels into the classifier, so no class weight belongs "
     "to a channel alone; " + TRAIN),
)  # fmt: skip


def refusal(edges: list[tuple[Value, Value]]) -> str:
    """One line for the operations at which maps became vectors."""
    crossings = [(vector.call.name, feature) for feature, vector in edges if vector.call is not None]
    for names, text in REASONS:
        for name, feature in crossings:
            if name in names:
                return text.format(map="x".join(map(str, feature.shape[2:])), channels=feature.shape[1])
    pools = ", ".join(sorted({name for name, _ in crossings}))
    if len({id(feature) for _, feature in crossings}) > 1:
        return f"the classifier reads several feature maps, not one (by {pools})"
    shape = crossings[0][1].shape[1:]
    return f"a map of shape {shape} becomes a vector by {pools}, which is no mean over positions; {TRAIN}"
