"""A small real-shaped example of every format: its files, and what is to be read of them."""

import io
import json

import numpy as np
from PIL import Image
from scipy.io import savemat

WIDE, HIGH = 8, 6
PHOTO = (WIDE, HIGH)


def encoded(content):
    """Bytes of a file: a text; a pair (width, height), an image; an array, a PNG; a table, a .mat file."""
    file = io.BytesIO()
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes):
        return content
    if isinstance(content, tuple):
        Image.new("RGB", content, (200, 30, 30)).save(file, "PNG")
    elif isinstance(content, dict):
        savemat(file, content)
    else:
        Image.fromarray(np.asarray(content, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write(root, files):
    """Write files below a folder, which is given back."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(content))
    return root


def xml(name, *corners, size=PHOTO):
    tags = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{tag}>{corner}</{tag}>" for tag, corner in zip(tags, corners, strict=True))
    return (
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size><object><name>{name}</name>"
        f"<bndbox>{box}</bndbox></object></annotation>"
    )


def structs(rows, **columns):
    """MATLAB's struct array."""
    array = np.zeros((1, rows), [(name, object) for name in columns])
    for name, values in columns.items():
        for place, value in enumerate(values):
            array[0, place][name] = value
    return array


def cells(*values):
    array = np.zeros((len(values), 1), object)
    array[:, 0] = values
    return array


FULL, PART = [0, 0, 8, 6], [1, 2, 4, 5]  # what is to be read: half open, from 0
BIRDS = {
    "images.txt": "1 001.Auk/a.png\n2 001.Auk/b.png\n3 002.Ani/c.png\n",
    "train_test_split.txt": "1 0\n2 1\n3 0\n",
    "images/001.Auk/a.png": PHOTO, "images/001.Auk/b.png": PHOTO, "images/002.Ani/c.png": PHOTO,
}  # fmt: skip
TRIMAP = [[2] * 8, [2, 3, 3, 3, 2, 2, 2, 2], [2, 3, 1, 3, 2, 2, 2, 2], [2, 3, 3, 3, 2, 2, 2, 2], [2] * 8, [2] * 8]
SEGMENTED = np.zeros((6, 8, 3), np.uint8)
SEGMENTED[1:3, 2:5] = (2, 0, 0)  # the second class
SEGMENTED[3, :2] = (1, 0, 0)  # the first, which this image is not of
SEGMENTED[5] = (1000 % 256, 1000 // 256, 0)  # does not count
REGION = {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 3},
          "region_attributes": {"class": "cat"}}  # fmt: skip
ROUND = {"shape_attributes": {"name": "polygon", "all_points_x": [0, 8, 8, 0], "all_points_y": [0, 0, 6, 6]},
         "region_attributes": {"class": "ape"}}  # fmt: skip

# name: split, files, what is read as (image, label, boxes), class names
EXAMPLES = {
    "coco": (
        "val2017",
        {"annotations/instances_val2017.json": json.dumps({
            "images": [{"id": 139, "file_name": "a.png", "width": 8, "height": 6}],
            "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
            "annotations": [{"id": 1, "image_id": 139, "category_id": 3, "bbox": [1, 2, 3, 3], "iscrowd": 0},
                            {"id": 2, "image_id": 139, "category_id": 1, "bbox": [0, 0, 8, 6], "iscrowd": 0}]}),
         "val2017/a.png": PHOTO},
        [("a.png", 0, [FULL]), ("a.png", 1, [PART])],
        ("person", "car"),
    ),
    "createml": (
        "train",
        {"train/_annotations.createml.json": json.dumps([
            {"image": "a.png", "annotations": [
                {"label": "cat", "coordinates": {"x": 2.5, "y": 3.5, "width": 3, "height": 3}},
                {"label": "ape", "coordinates": {"x": 4, "y": 3, "width": 8, "height": 6}}]}]),
         "train/a.png": PHOTO},
        [("a.png", 0, [FULL]), ("a.png", 1, [PART])],
        ("ape", "cat"),
    ),
    "csv": (
        "val",
        {"val.csv": "image,label,x0,y0,x1,y1\na.png,cat,0,0,8,6\nb.png,ape,1,2,4,5\n",
         "images/a.png": PHOTO, "images/b.png": PHOTO},
        [("a.png", 1, [FULL]), ("b.png", 0, [PART])],
        ("ape", "cat"),
    ),
    "cub": (
        "test",
        {**BIRDS, "classes.txt": "1 001.Auk\n2 002.Ani\n", "image_class_labels.txt": "1 1\n2 1\n3 2\n",
         "bounding_boxes.txt": "1 0.0 0.0 7.0 5.0\n2 0.0 0.0 2.0 2.0\n3 1.0 2.0 2.0 2.0\n",
         "segmentations/001.Auk/a.png": [[0] * 8, [128] * 8, *[[0] * 8] * 4],
         "segmentations/001.Auk/b.png": [[255] * 8] * 6, "segmentations/002.Ani/c.png": [[255] * 8] * 6},
        [("001.Auk/a.png", 0, [FULL]), ("002.Ani/c.png", 1, [PART])],
        ("001.Auk", "002.Ani"),
    ),
    "fgvc-aircraft": (
        "test",
        {"data/variants.txt": "707-320\n737 200/300\n", "data/families.txt": "Boeing 707\nBoeing 737\n",
         "data/images_variant_test.txt": "0000001 737 200/300\n0000002 707-320\n",
         "data/images_family_train.txt": "0000003 Boeing 737\n",
         "data/images_box.txt": "0000001 1 1 8 6\n0000002 2 3 4 5\n0000003 1 1 2 2\n",
         **{f"data/images/000000{number}.jpg": PHOTO for number in (1, 2, 3)}},
        [("0000001.jpg", 1, [FULL]), ("0000002.jpg", 0, [PART])],
        ("707-320", "737 200/300"),
    ),
    "ilsvrc": (
        "val",
        {"LOC_synset_mapping.txt": "n01440764 tench\nn01443537 goldfish\n",
         "LOC_val_solution.csv": "ImageId,PredictionString\nv1,n01443537 0 0 7 5 n01443537 1 2 3 4 \n",
         "ILSVRC/Data/CLS-LOC/val/v1.JPEG": PHOTO},
        [("v1.JPEG", 1, [FULL, PART])],
        ("n01440764", "n01443537"),
    ),
    "imagefolder": (
        "train",
        {"train/metadata.jsonl": '{"file_name": "a.png", "objects": {"bbox": [[0, 0, 8, 6], [1, 2, 3, 3]], '
                                 '"categories": [4, 2]}}\n',
         "train/a.png": PHOTO},
        [("a.png", 2, [PART]), ("a.png", 4, [FULL])],
        None,
    ),
    "imagenet-s": (
        "validation",
        {"ImageNetS_categories_im2.txt": "n01443537\nn01440764\n", "validation/n01443537/v1.JPEG": PHOTO,
         "validation-segmentation/n01443537/v1.png": SEGMENTED, "train/n01440764/t1.JPEG": PHOTO},
        [("n01443537/v1.JPEG", 1, [])],
        ("n01440764", "n01443537"),
    ),
    "nabirds": (
        "test",
        {**BIRDS, "hierarchy.txt": "817 22\n1000 22\n22 0\n", "sizes.txt": "1 8 6\n2 8 6\n3 8 6\n",
         "classes.txt": "0 Birds\n22 Ducks\n817 Auk (Adult male)\n1000 Ani\n",
         "image_class_labels.txt": "1 1000\n2 817\n3 817\n", "bounding_boxes.txt": "1 0 0 8 6\n2 0 0 3 3\n3 1 2 3 3\n"},
        [("001.Auk/a.png", 1, [FULL]), ("002.Ani/c.png", 0, [PART])],
        ("Auk (Adult male)", "Ani"),
    ),
    "openimages-csv": (
        "validation",
        {"validation-annotations-bbox.csv":
            "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,"
            "IsInside\na,xclick,/m/01yrx,1,0,1,0,1,0,0,0,0,0\na,xclick,/m/0bt9lr,1,0.125,0.5,0.3333333,0.8333333,"
            "0,0,0,0,0\na,xclick,/m/01yrx,1,0.5,0.75,0.5,1,0,0,1,0,0\n",
         "class-descriptions-boxable.csv": '/m/01yrx,"Cat, big"\n/m/0bt9lr,Dog\n', "validation/a.jpg": PHOTO},
        [("a.jpg", 0, [FULL]), ("a.jpg", 1, [PART])],
        ("Cat, big", "Dog"),
    ),
    "oxford-iiit-pet": (
        "test",
        {"annotations/list.txt": "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_100 1 1 1\namerican_bulldog_9 2 2 1\n",
         "annotations/test.txt": "american_bulldog_9 2 2 1\n", "annotations/trainval.txt": "Abyssinian_100 1 1 1\n",
         "annotations/trimaps/american_bulldog_9.png": TRIMAP, "annotations/trimaps/Abyssinian_100.png": TRIMAP,
         "annotations/xmls/Abyssinian_100.xml": xml("cat", 1, 1, 2, 2),
         "images/american_bulldog_9.jpg": PHOTO, "images/Abyssinian_100.jpg": PHOTO},
        [("american_bulldog_9.jpg", 1, [])],
        ("Abyssinian", "american_bulldog"),
    ),
    "stanford-cars": (
        "test",
        {"devkit/cars_meta.mat": {"class_names": cells("AM General Hummer SUV 2000", "Acura RL Sedan 2012").T},
         "devkit/cars_train_annos.mat": {"annotations": structs(
             1, bbox_x1=[1], bbox_y1=[1], bbox_x2=[2], bbox_y2=[2], **{"class": [1]}, fname=["00001.jpg"])},
         "cars_test_annos_withlabels.mat": {"annotations": structs(
             2, bbox_x1=[1, 2], bbox_y1=[1, 3], bbox_x2=[8, 4], bbox_y2=[6, 5], **{"class": [2, 1]},
             fname=["00001.jpg", "00002.jpg"])},
         "cars_train/00001.jpg": PHOTO, "cars_test/00001.jpg": PHOTO, "cars_test/00002.jpg": PHOTO},
        [("00001.jpg", 1, [FULL]), ("00002.jpg", 0, [PART])],
        ("AM General Hummer SUV 2000", "Acura RL Sedan 2012"),
    ),
    "stanford-dogs": (
        "test",
        {"test_list.mat": {"file_list": cells("n02085620-Chihuahua/a.jpg", "n02085782-Japanese_spaniel/b.jpg"),
                           "labels": np.array([[1], [2]])},
         "train_list.mat": {"file_list": cells("n02085620-Chihuahua/c.jpg"), "labels": np.array([[1]])},
         "Annotation/n02085620-Chihuahua/a": xml("Chihuahua", 0, 0, 7, 5),
         "Annotation/n02085620-Chihuahua/c": xml("Chihuahua", 0, 0, 2, 2),
         "Annotation/n02085782-Japanese_spaniel/b": xml("Japanese_spaniel", 1, 2, 3, 4),
         "Images/n02085620-Chihuahua/a.jpg": PHOTO, "Images/n02085620-Chihuahua/c.jpg": PHOTO,
         "Images/n02085782-Japanese_spaniel/b.jpg": PHOTO},
        [("n02085620-Chihuahua/a.jpg", 0, [FULL]), ("n02085782-Japanese_spaniel/b.jpg", 1, [PART])],
        ("Chihuahua", "Japanese_spaniel"),
    ),
    "tensorflow-csv": (
        "train",
        {"train/_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,8,6,cat,0,0,8,6\n"
                                   "a.png,8,6,ape,1,2,4,5\n",
         "train/a.png": PHOTO},
        [("a.png", 0, [PART]), ("a.png", 1, [FULL])],
        ("ape", "cat"),
    ),
    "tiny-imagenet": (
        "val",
        {"wnids.txt": "n01443537\nn01629819\n", "words.txt": "n01443537\tgoldfish\nn01629819\tsalamander\n",
         "val/val_annotations.txt": "val_0.JPEG\tn01629819\t0\t0\t7\t5\nval_1.JPEG\tn01443537\t1\t2\t3\t4\n",
         "val/images/val_0.JPEG": PHOTO, "val/images/val_1.JPEG": PHOTO,
         "train/n01443537/n01443537_boxes.txt": "t.JPEG\t0\t0\t1\t1\n", "train/n01443537/images/t.JPEG": PHOTO},
        [("val_0.JPEG", 1, [FULL]), ("val_1.JPEG", 0, [PART])],
        ("goldfish", "salamander"),
    ),
    "via": (
        "train",
        {"train/via_region_data.json": json.dumps({"a.png123": {
            "filename": "a.png", "size": 123, "file_attributes": {}, "regions": [REGION, ROUND]}}),
         "train/a.png": PHOTO},
        [("a.png", 0, [FULL]), ("a.png", 1, [PART])],
        ("ape", "cat"),
    ),
    "voc": (
        "val",
        {"ImageSets/Main/val.txt": "a\nb\n", "Annotations/a.xml": xml("dog", 1, 1, 8, 6),
         "Annotations/b.xml": xml("cat", 2, 3, 4, 5), "JPEGImages/a.jpg": PHOTO, "JPEGImages/b.jpg": PHOTO},
        [("a.jpg", 11, [FULL]), ("b.jpg", 7, [PART])],
        None,
    ),
    "wsol": (
        "val",
        {"val/image_ids.txt": "a.png\nb.png\n", "val/class_labels.txt": "a.png,1\nb.png,0\n",
         "val/image_sizes.txt": "a.png,8,6\nb.png,8,6\n", "val/localization.txt": "a.png,0,0,7,5\nb.png,1,2,3,4\n",
         "images/a.png": PHOTO, "images/b.png": PHOTO},
        [("a.png", 1, [FULL]), ("b.png", 0, [PART])],
        None,
    ),
    "yolo": (
        "val",
        {"data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 3\nnames: ['no', cat, '007']\n",
         "valid/labels/a.txt": "2 0.5 0.5 1 1\n0 0.3125 0.58333333 0.375 0.5\n", "valid/images/a.png": PHOTO,
         "train/labels/b.txt": "1 0.5 0.5 1 1\n", "train/images/b.png": PHOTO},
        [("a.png", 0, [PART]), ("a.png", 2, [FULL])],
        ("no", "cat", "007"),
    ),
}  # fmt: skip
