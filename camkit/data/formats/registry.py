"""Every format of annotated data sets by its name on the command line, with an example of its files.

Nothing here loads torch: `camkit datasets` prints it, and `--dataset auto` holds folders against it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    reader : str
        Its module in this folder and its function; it is imported when the format is asked for.
    what : str
        What it is, in a line.
    corners : str
        What a box's corners are in the files.
    tree : tuple of str
        An example of its files: each a path, then, after two spaces, what stands in it.
    signs : tuple of tuple of str
        By what `find_format` knows it (`camkit.data.formats.auto`): all of one of them. None: it has to be named.
    of_one_file : bool
        Whether the root may be the annotation file itself.
    drawn : bool
        Whether the root is no folder, but settings.
    """

    reader: str
    what: str
    corners: str
    tree: tuple[str, ...]
    signs: tuple[tuple[str, ...], ...] = ()
    of_one_file: bool = False
    drawn: bool = False


READERS = {
    "coco": Format(
        "coco.read_coco",
        "COCO's JSON, as COCO, LVIS, Roboflow, FiftyOne, CVAT and Label Studio lay it out, with masks",
        "x, y, width, height from 0",
        ("annotations/instances_val2017.json  images, categories, annotations", "val2017/000000000139.jpg"),
        (("annotations/instances_{split}.json ? coco",), ("annotations/{split}.json ? coco",), ("{split}.json ? coco",),
         ("{split}/_annotations.coco.json",), ("{split}/labels.json ? coco",), ("{split}/result.json ? coco",),
         ("_annotations.coco.json",), ("labels.json ? coco",), ("result.json ? coco",),
         ("annotations/instances_default.json ? coco",)),
        of_one_file=True,
    ),
    "createml": Format(
        "createml.read_createml",
        "Create ML's JSON, as Create ML and Roboflow write it",
        "the centre x, y, width, height, from 0, of the upright image",
        ('train/_annotations.createml.json  [{"image": "a.jpg", "annotations": [{"label", "coordinates"}]}]',
         "train/a.jpg"),
        (("{split}/_annotations.createml.json",), ("{split}/annotations.json ? createml",),
         ("{split}.json ? createml",), ("annotations/{split}.json ? createml",), ("_annotations.createml.json",),
         ("annotations.json ? createml",)),
        of_one_file=True,
    ),
    "csv": Format(
        "csv.read_csv",
        "camkit's own CSV: image,label,x0,y0,x1,y1, and its boxes.csv",
        "from 0, half open, of the upright image",
        ("val.csv  image,label,x0,y0,x1,y1", "images/a.jpg"),
        (("{split}.csv ? csv",),),
        of_one_file=True,
    ),
    "cub": Format(
        "cub.read_cub",
        "CUB-200-2011's official folder, with its segmentations",
        "x, y, width, height from 0, to the last pixel; clipped to the image",
        ("images.txt  id path", "train_test_split.txt  id 1", "classes.txt  class name",
         "image_class_labels.txt  id class", "bounding_boxes.txt  id x y width height",
         "images/001.Black_footed_Albatross/a.jpg", "segmentations/001.Black_footed_Albatross/a.png"),
        (("images.txt", "train_test_split.txt", "bounding_boxes.txt", "! hierarchy.txt"),),
    ),
    "fgvc-aircraft": Format(
        "fgvc_aircraft.read_fgvc_aircraft",
        "FGVC-Aircraft's official folder; splits train, val, trainval, test, family_test, manufacturer_test, ...",
        "from 1, inclusive",
        ("data/variants.txt  name", "data/images_variant_test.txt  image name",
         "data/images_box.txt  image xmin ymin xmax ymax", "data/images/1514522.jpg"),
        (("data/images_box.txt",), ("images_box.txt",)),
    ),
    "ilsvrc": Format(
        "ilsvrc.read_ilsvrc",
        "ImageNet-1k in torchvision's or Kaggle's layout; train with boxes or without",
        "from 0, inclusive",
        ("LOC_synset_mapping.txt  wnid name", "LOC_val_solution.csv  ImageId,PredictionString",
         "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG",
         "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml"),
        (("ILSVRC/Data/CLS-LOC/{split}",), ("LOC_synset_mapping.txt",),
         ("{split}/n[0-9][0-9]*", "! wnids.txt", "! classes.csv", "! *-segmentation", "! {split}/metadata.jsonl")),
    ),
    "imagefolder": Format(
        "imagefolder.read_imagefolder",
        "Hugging Face's image folder with metadata.jsonl",
        "x, y, width, height from 0, of the upright image",
        ('train/metadata.jsonl  {"file_name": "a.jpg", "objects": {"bbox": [[x, y, w, h]], "categories": [0]}}',
         "train/a.jpg"),
        (("{split}/metadata.jsonl",), ("data/{split}/metadata.jsonl",), ("metadata.jsonl",)),
    ),
    "imagenet-s": Format(
        "imagenet_s.read_imagenet_s",
        "ImageNet-S with 50, 300 or 919 classes: masks, no boxes",
        "none",
        ("validation/n01443537/ILSVRC2012_val_00000236.JPEG",
         "validation-segmentation/n01443537/ILSVRC2012_val_00000236.png  class = red + 256 green"),
        (("*-segmentation/n[0-9][0-9]*",),),
    ),
    "nabirds": Format(
        "nabirds.read_nabirds",
        "NABirds' official folder",
        "x, y, width, height from 0, half open",
        ("images.txt  id path", "train_test_split.txt  id 1", "classes.txt  class name", "hierarchy.txt  class parent",
         "image_class_labels.txt  id class", "bounding_boxes.txt  id x y width height", "sizes.txt  id width height",
         "images/0817/0000139e21dc4d0cbfe14cae3c85c829.jpg"),
        (("images.txt", "train_test_split.txt", "bounding_boxes.txt", "hierarchy.txt"),),
    ),
    "openimages": Format(
        "wsol.read_openimages",
        "the public lists of OpenImages30K, with masks: those of wsol by another name",
        "from 0, inclusive",
        ("test/image_ids.txt  id", "test/class_labels.txt  id,label",
         "test/localization.txt  id,mask_path,ignore_path", "images/test/0bt9lr/a.jpg", "masks/test/0bt9lr/a.png"),
    ),
    "openimages-csv": Format(
        "openimages_csv.read_openimages_csv",
        "OpenImages' own CSV of boxes, also as FiftyOne leaves it",
        "shares of the image's sides",
        ("validation-annotations-bbox.csv  ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,...",
         "class-descriptions-boxable.csv  /m/01yrx,Cat", "validation/0001eeaf4aed83f9.jpg"),
        (("{split}-annotations-bbox.csv",), ("*-{split}-annotations-bbox.csv",),
         ("annotations/{split}-annotations-bbox.csv",), ("{split}/labels/detections.csv",),
         ("{split}.csv ? openimages-csv",)),
        of_one_file=True,
    ),
    "oxford-iiit-pet": Format(
        "oxford_pets.read_oxford_pets",
        "Oxford-IIIT Pet: masks from its trimaps, no boxes",
        "none",
        ("annotations/list.txt  name class species breed", "annotations/test.txt  name class species breed",
         "annotations/trimaps/Abyssinian_100.png  1 animal, 2 background, 3 edge", "images/Abyssinian_100.jpg"),
        (("annotations/trimaps", "annotations/trainval.txt"), ("annotations/trimaps", "annotations/test.txt")),
    ),
    "shapes": Format(
        "shapes.read_shapes",
        "drawn by camkit from a seed; --root is its settings, n=200,size=64,classes=10,seed=0",
        "exact",
        (),
        drawn=True,
    ),
    "stanford-cars": Format(
        "stanford_cars.read_stanford_cars",
        "Stanford Cars' official folder, or cars_annos.mat with car_ims",
        "from 1, inclusive",
        ("devkit/cars_meta.mat  class_names", "devkit/cars_train_annos.mat  annotations",
         "cars_test_annos_withlabels.mat  annotations", "cars_train/00001.jpg", "cars_test/00001.jpg"),
        (("devkit/cars_meta.mat",), ("cars_meta.mat",), ("cars_annos.mat",)),
    ),
    "stanford-dogs": Format(
        "stanford_dogs.read_stanford_dogs",
        "Stanford Dogs' official folder; splits train, test and all",
        "from 0, inclusive",
        ("train_list.mat  file_list, labels", "test_list.mat  file_list, labels",
         "Annotation/n02085620-Chihuahua/n02085620_7  Pascal VOC's XML", "Images/n02085620-Chihuahua/n02085620_7.jpg"),
        (("Annotation/n[0-9]*-*",),),
    ),
    "tensorflow-csv": Format(
        "tensorflow_csv.read_tensorflow_csv",
        "TensorFlow's object detection CSV, Roboflow's _annotations.csv",
        "from 0, half open",
        ("train/_annotations.csv  filename,width,height,class,xmin,ymin,xmax,ymax", "train/a.jpg"),
        (("{split}/_annotations.csv ? tensorflow-csv",), ("{split}_labels.csv ? tensorflow-csv",),
         ("annotations/{split}_labels.csv ? tensorflow-csv",), ("{split}.csv ? tensorflow-csv",),
         ("_annotations.csv ? tensorflow-csv",)),
        of_one_file=True,
    ),
    "tiny-imagenet": Format(
        "tiny_imagenet.read_tiny_imagenet",
        "Tiny ImageNet's official folder, or a table",
        "from 0, inclusive",
        ("wnids.txt  wnid", "words.txt  wnid name", "val/val_annotations.txt  file wnid x0 y0 x1 y1",
         "val/images/val_0.JPEG", "train/n01443537/n01443537_boxes.txt  file x0 y0 x1 y1",
         "train/n01443537/images/n01443537_0.JPEG"),
        (("wnids.txt",), ("boxes.csv", "classes.csv")),
    ),
    "via": Format(
        "via.read_via",
        "VIA's JSON (VGG Image Annotator 1 and 2), with masks",
        "x, y, width, height from 0, of the upright image",
        ('train/via_region_data.json  {"a.jpg123": {"filename", "regions": [{"shape_attributes", ...}]}}',
         "train/a.jpg"),
        (("{split}/via_*.json ? via",), ("via_{split}.json ? via",), ("{split}.json ? via",),
         ("annotations/{split}.json ? via",), ("via_*.json ? via",)),
        of_one_file=True,
    ),
    "voc": Format(
        "voc.read_voc",
        "Pascal VOC, or a folder of images and XML files",
        "from 1, inclusive",
        ("ImageSets/Main/val.txt  id", "Annotations/2007_000027.xml", "JPEGImages/2007_000027.jpg"),
        (("ImageSets/Main", "Annotations"), ("{split}/*.xml ? voc", "! ImageSets"),
         ("{split}/Annotations/*.xml ? voc", "! ImageSets"), ("*.xml ? voc", "! ImageSets")),
    ),
    "wsol": Format(
        "wsol.read_wsol",
        "the public lists of weakly supervised localization, with boxes or masks",
        "from 0, inclusive",
        ("val/image_ids.txt  id", "val/class_labels.txt  id,label", "val/image_sizes.txt  id,width,height",
         "val/localization.txt  id,x0,y0,x1,y1", "images/val2/0/0.jpeg"),
        (("{split}/image_ids.txt", "{split}/class_labels.txt"),),
    ),
    "yolo": Format(
        "yolo.read_yolo",
        "YOLO's text files with data.yaml, as Ultralytics reads them; polygons give masks",
        "shares of the sides of the upright image: the centre x, y, width, height",
        ("data.yaml  train: train/images, val: valid/images, names: [cat, dog]",
         "valid/labels/a.txt  class xc yc width height", "valid/images/a.jpg"),
        (("data.yaml ? yolo",), ("*.yaml ? yolo", "! data.yaml"), ("*.yml ? yolo", "! data.yaml")),
        of_one_file=True,
    ),
}  # fmt: skip
AUTO = "auto"  # in place of a name: the one format that fits
