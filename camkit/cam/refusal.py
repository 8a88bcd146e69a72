"""Why a network has no class maps, and what would give it some."""

from camkit.cam.trace import Value

TRAIN = "train it with global average pooling and one linear layer instead"
REASONS = (
    ({"view", "_unsafe_view", "reshape", "flatten", "_reshape_alias"},
     "it flattens a {map} map of {channels} channels into the classifier, so no class weight belongs "
     "to a channel alone; " + TRAIN),
    ({"select", "slice", "index", "unbind", "split", "split_with_sizes", "narrow"},
     "the classifier reads one token (a class token) and no mean over positions; "
     "a variant that averages its tokens works"),
    ({"amax", "max", "max_pool2d_with_indices", "max_pool2d", "adaptive_max_pool2d"},
     "it pools by the maximum, which no sum over positions equals; " + TRAIN),
    ({"mm", "bmm", "addmm", "baddbmm", "matmul", "einsum", "convolution", "_scaled_dot_product_flash_attention_for_cpu",
      "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention", "scaled_dot_product_attention",
      "_scaled_dot_product_attention_math", "_native_multi_head_attention"},
     "positions are weighted by attention (or by a convolution over the whole map) before the classifier, "
     "not averaged; a variant with average pooling works"),
)  # fmt: skip


def refusal(edges: list[tuple[Value, Value]]) -> str:
    """One line for the operations at which maps became vectors."""
    names = [vector.call.name for _, vector in edges if vector.call is not None]
    feature = edges[0][0]
    if len({id(parent) for parent, _ in edges}) > 1 and not any(_reason(name) for name in names):
        return f"the classifier reads several feature maps, not one (by {', '.join(sorted(set(names)))})"
    shape = {"map": "x".join(map(str, feature.shape[2:])), "channels": feature.shape[1]}
    for name in names:
        reason = _reason(name)
        if reason:
            return reason.format(**shape)
    pools = ", ".join(sorted(set(names)))
    return f"a map of shape {feature.shape[1:]} becomes a vector by {pools}, which is no mean over positions; {TRAIN}"


def _reason(name: str) -> str | None:
    return next((text for names, text in REASONS if name in names), None)
