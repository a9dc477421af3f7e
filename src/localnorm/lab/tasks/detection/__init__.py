"""Object detection task: digit scenes or COCO folders, boxes, loss and average precision."""
