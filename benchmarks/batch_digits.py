"""How many digits of scores and thresholds depend on the images that share a batch.

python benchmarks/batch_digits.py --model tiny --images photos/
"""

import click

from camkit import Localizer, load_classifier
from camkit.data import find_images
from camkit.localization import Failure
from camkit.output.tables import row_of


@click.command()
@click.option("--model", required=True)
@click.option("--weights", default="DEFAULT")
@click.option("--images", required=True)
@click.option("--every", default=1, help="Take every n-th image.")
@click.option("--batches", default="1,3,16", show_default=True)
def main(model: str, weights: str, images: str, every: int, batches: str) -> None:
    files, classifier, found = find_images(images)[::every], load_classifier(model, weights), []
    for size in map(int, batches.split(",")):
        localizer = Localizer(classifier, topk=3, batch_size=size, device="cpu")
        results = (result for result in localizer.stream(files) if not isinstance(result, Failure))
        found.append([one for result in results for one in result])
    rows = list(zip(*found, strict=True))
    print(f"{model}, {len(files)} images, {len(rows)} results, batches of {batches}")
    for digits in range(3, 8):
        moved = {name: sum(len({f"{getattr(one, name):.{digits}g}" for one in row}) > 1 for row in rows)
                 for name in ("score", "tau")}  # fmt: skip
        print(f"{digits} significant digits: {moved['score']} scores and {moved['tau']} taus differ")
    print(f"boxes: {sum(len({one.box for one in row}) > 1 for row in rows)} differ")
    print(f"rows of the tables: {sum(len({str(row_of(one)) for one in row}) > 1 for row in rows)} differ")


if __name__ == "__main__":
    main()
