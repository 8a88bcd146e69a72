"""What chose a metric's threshold, in words that results carry."""

FIXED = "fixed beforehand"
BOXES = "boxes"  # the supervision that chose a threshold, where it was not pseudo boxes
REPORTED = f"{BOXES} of the reported split"
REPORTED_MASKS = "masks of the reported split"
NO_THRESHOLD = "no threshold"
