"""Tiny networks of transformers, one of each family, with random weights."""

from pathlib import Path

import torch
import transformers as tf
from small import perturb

CLASSES = {0: "cat", 1: "dog", 2: "owl"}
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32,
       "patch_size": 8}  # fmt: skip
SMALL = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50,
        "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip

NETWORKS = {
    "resnet": lambda **k: tf.ResNetForImageClassification(tf.ResNetConfig(**SMALL, **k)),
    "convnext": lambda **k: tf.ConvNextForImageClassification(
        tf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, **k)
    ),
    "mobilenet": lambda **k: tf.MobileNetV2ForImageClassification(tf.MobileNetV2Config(depth_multiplier=0.25, **k)),
    "vit": lambda **k: tf.ViTForImageClassification(tf.ViTConfig(**VIT, **k)),
    "deit": lambda **k: tf.DeiTForImageClassification(tf.DeiTConfig(**VIT, **k)),
    "deit with teacher": lambda **k: tf.DeiTForImageClassificationWithTeacher(tf.DeiTConfig(**VIT, **k)),
    "swin": lambda **k: tf.SwinForImageClassification(
        tf.SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, **k)
    ),
    "dinov2": lambda **k: tf.Dinov2ForImageClassification(tf.Dinov2Config(**VIT, mlp_ratio=2, **k)),
    "dinov2 with registers": lambda **k: tf.Dinov2WithRegistersForImageClassification(
        tf.Dinov2WithRegistersConfig(**VIT, mlp_ratio=2, num_register_tokens=2, **k)
    ),
    "beit": lambda **k: tf.BeitForImageClassification(tf.BeitConfig(**VIT, **k)),
    "clip": lambda **k: tf.CLIPForImageClassification(tf.CLIPConfig(vision_config=VIT, text_config=TEXT, **k)),
    "siglip": lambda **k: tf.SiglipForImageClassification(tf.SiglipConfig(vision_config=VIT, text_config=TEXT, **k)),
}
MEAN_POOLED = ("resnet", "convnext", "mobilenet", "swin", "beit", "clip", "siglip")

PROCESSORS = {
    "vit": lambda: tf.ViTImageProcessor(size={"height": 32, "width": 32}),
    "convnext": lambda: tf.ConvNextImageProcessor(size={"shortest_edge": 32}),
    "deit": lambda: tf.DeiTImageProcessor(size={"height": 36, "width": 36}, crop_size={"height": 32, "width": 32}),
    "clip": lambda: tf.CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}),
}


def network(family: str, **settings):
    torch.manual_seed(0)
    return perturb(NETWORKS[family](id2label=CLASSES, label2id={v: k for k, v in CLASSES.items()}, **settings))


def save(model, folder: Path, processor=None) -> str:
    """The folder as transformers writes it, as --model takes it."""
    model.save_pretrained(folder)
    (processor or PROCESSORS["vit"]()).save_pretrained(folder)
    return f"hf:{folder}"


def clip(kind: str = "clip"):
    torch.manual_seed(0)
    if kind == "clip":
        return perturb(tf.CLIPModel(tf.CLIPConfig(vision_config=VIT, text_config=TEXT, projection_dim=12)))
    return perturb(tf.SiglipModel(tf.SiglipConfig(vision_config=VIT, text_config={**TEXT, "projection_size": 16})))
