"""Maps of results for other programs: mattes, cut-outs, EXR, masks in COCO's code."""
