"""An exported classifier without ferdis and without torch: onnxruntime and numpy alone.

    python onnx_only.py model.onnx crops.npy

``crops.npy`` holds uint8 (N, H, W, 3), RGB, faces cropped according to the file's ``crop_template``, of any size.
"""

import json
import sys

import numpy as np
import onnxruntime

model, crops = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
classes = json.loads(about["classes"])
print(about["system"], about["weights"], "of the training faces", about["training_digest"])
print("protocol:", about["protocol"])
print("crop_template, as fractions of the side:", about["crop_template"])

faces = np.load(crops)  # uint8 (N, H, W, 3): resizing, scaling and normalisation are inside the file
probabilities = session.run(None, {"faces": faces})[0]  # float32 (N, K)
for number, row in enumerate(probabilities):
    ranked = sorted(zip(classes, row.tolist(), strict=True), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in ranked)
    print(f"face{number}", ranked[0][0], f"({shown})")
