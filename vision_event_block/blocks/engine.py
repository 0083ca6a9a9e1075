"""The one file that imports the Workflows engine, wherever this release of it lives."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

# The engine takes its configuration when it is first imported, and the inference server brings
# its own: if the engine came first, a later `import inference` would refuse to start.
if "roboflow_workflows.environment" not in sys.modules:
    with contextlib.suppress(ImportError):
        importlib.import_module("inference.core")


def _find_root() -> str:
    try:
        importlib.import_module("roboflow_workflows.prototypes.block")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("roboflow_workflows"):
            raise
        importlib.import_module("inference.core.workflows.prototypes.block")
        return "inference.core.workflows"
    return "roboflow_workflows"


_ROOT = _find_root()
_block = importlib.import_module(f"{_ROOT}.prototypes.block")
_base = importlib.import_module(f"{_ROOT}.execution_engine.entities.base")
_types = importlib.import_module(f"{_ROOT}.execution_engine.entities.types")

BlockResult: Any = _block.BlockResult
WorkflowBlock: Any = _block.WorkflowBlock
WorkflowBlockManifest: Any = _block.WorkflowBlockManifest
Batch: Any = _base.Batch
OutputDefinition: Any = _base.OutputDefinition
WorkflowImageData: Any = _base.WorkflowImageData
Selector: Any = _types.Selector

BOOLEAN_KIND = _types.BOOLEAN_KIND
FLOAT_KIND = _types.FLOAT_KIND
IMAGE_KIND = _types.IMAGE_KIND
INTEGER_KIND = _types.INTEGER_KIND
STRING_KIND = _types.STRING_KIND
USE_CASE_KINDS = [
    kind
    for name in ("ROBOFLOW_SOLUTION_KIND", "STRING_KIND")
    if (kind := getattr(_types, name, None)) is not None
]
# Kinds are added from release to release; those that this engine knows are taken.
PREDICTION_KINDS = [
    kind
    for name in (
        "OBJECT_DETECTION_PREDICTION_KIND",
        "INSTANCE_SEGMENTATION_PREDICTION_KIND",
        "KEYPOINT_DETECTION_PREDICTION_KIND",
        "CLASSIFICATION_PREDICTION_KIND",
        "RLE_INSTANCE_SEGMENTATION_PREDICTION_KIND",
        "SEMANTIC_SEGMENTATION_PREDICTION_KIND",
        "QR_CODE_DETECTION_KIND",
        "BAR_CODE_DETECTION_KIND",
    )
    if (kind := getattr(_types, name, None)) is not None
]


def engine_module(name: str) -> Any:
    """A module of the engine by its name inside it."""
    return importlib.import_module(f"{_ROOT}.{name}")


def declares_drawing() -> bool:
    """Whether blocks of this engine say when they draw on an image in place.

    Only then can the file an image came in be trusted to show its pixels.
    """
    return hasattr(WorkflowImageData, "declare_numpy_image_mutated")
