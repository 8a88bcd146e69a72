"""An image encoder and class embeddings as one classifier: zero-shot classification as CLIP and SigLIP do it."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from camkit.cam.extractor import example_images
from camkit.errors import CamkitError
from camkit.models.classifier import Classifier
from camkit.models.embeddings import ClassEmbeddings
from camkit.models.messages import one_line


class ZeroShot(nn.Module):
    """``logits = logit_scale * cosine(image, class) + logit_bias`` (Radford et al., ICML 2021, Figure 3).

    Parameters
    ----------
    encoder : nn.Module
        Images (N, 3, H, W) to embeddings (N, D).
    embeddings : Tensor (K, D)
        Of length 1.
    logit_scale, logit_bias : float
        SigLIP has a bias, CLIP none.
    """

    def __init__(self, encoder: nn.Module, embeddings: Tensor, logit_scale: float, logit_bias: float | None) -> None:
        super().__init__()
        classes, channels = embeddings.shape
        self.encoder, self.classifier = encoder, nn.Linear(channels, classes, bias=logit_bias is not None)
        with torch.no_grad():
            self.classifier.weight.copy_(logit_scale * embeddings)
            if logit_bias is not None:
                self.classifier.bias.fill_(logit_bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(nn.functional.normalize(self.encoder(images), dim=-1))
        return logits


def with_embeddings(
    classifier: Classifier,
    encoder: nn.Module,
    embeddings: ClassEmbeddings,
    logit_scale: float | None = None,
    logit_bias: float | None = None,
) -> Classifier:
    """The classifier whose network is an image encoder, with classes.

    Parameters
    ----------
    classifier : Classifier
        What is known of the network.
    encoder : nn.Module
        From images to embeddings.
    embeddings : ClassEmbeddings
        What it says of scale and bias counts before what the network has learnt.
    logit_scale, logit_bias : float, optional
        The network's own. Without any, logits are cosines, and the result says so.

    Raises
    ------
    CamkitError
        The encoder gives embeddings of another length.
    """
    wanted = embeddings.embeddings.shape[1]
    given = _length(encoder.eval(), classifier)
    if given != wanted:
        raise CamkitError(
            f"{classifier.name} gives {given} numbers for an image, and {embeddings.origin} have {wanted}: "
            "give embeddings by the text tower that was trained with it"
        )
    scale = embeddings.logit_scale if embeddings.logit_scale is not None else logit_scale
    bias = embeddings.logit_bias if embeddings.logit_bias is not None else logit_bias
    said = "" if scale is not None else "; no logit_scale is known, logits are cosines"
    model = ZeroShot(encoder, embeddings.embeddings, 1.0 if scale is None else scale, bias).eval()
    return replace(classifier, model=model, class_names=embeddings.names, class_names_assumed=False, network="",
                   weights=f"{classifier.weights}, {embeddings.origin}{said}")  # fmt: skip


@torch.no_grad()
def _length(encoder: nn.Module, classifier: Classifier) -> int:
    """How many numbers an encoder gives for an image."""
    try:
        found = encoder(example_images(encoder, classifier.input.size))
    except Exception as error:  # other people's networks fail in their own ways
        raise CamkitError(f"{classifier.name} fails on images of its own size: {one_line(error)}") from error
    if not isinstance(found, Tensor) or found.ndim != 2:
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise CamkitError(f"{classifier.name} gives {what} for two images, and no embedding for each: it is no encoder")
    return found.shape[1]
