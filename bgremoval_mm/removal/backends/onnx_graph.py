"""Changes to the models' ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence

from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.removal.zoo.weights import WeightsError

__all__ = ['check_input', 'make_batchable', 'to_half']


def make_batchable(content: bytes, spec: ModelSpec, batch: int = 0) -> bytes:
    """Return the ONNX graph for any batch size, or another one, with its first output alone.

    rembg's files fix the batch dimension at 1 and return seven maps, of which only the
    first is used.

    Args:
        content: The model's file.
        spec: The model.
        batch: The size that the batch dimension is fixed at; 0 leaves it open.

    Raises:
        WeightsError: If the graph does not take one image tensor of the model's size.
    """
    import onnx

    graph = onnx.load_model_from_string(content)
    image = graph.graph.input[0]
    shape = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    check_input(image.name, shape, spec)
    if not spec.batchable:
        return content
    del graph.graph.output[1:]
    for tensor in (image, graph.graph.output[0]):
        dimension = tensor.type.tensor_type.shape.dim[0]
        if batch:
            dimension.dim_value = batch
        else:
            dimension.dim_param = 'batch'
    # Inner shapes that were recorded for a batch of one no longer hold.
    del graph.graph.value_info[:]
    return bytes(graph.SerializeToString())


def check_input(name: str, shape: Sequence[int | str | None], spec: ModelSpec) -> None:
    """Refuse a graph whose input is no batch of images of the model's size.

    Args:
        name: Name of the input.
        shape: Its dimensions; a name, 0 or None where a dimension is open.
        spec: The model.

    Raises:
        WeightsError: If the graph does not take one image tensor of the model's size.
    """
    wanted = (None, 3, spec.size, spec.size)
    fixed = [each if isinstance(each, int) and each > 0 else None for each in shape]
    if len(fixed) == 4 and all(
        each is None or size is None or each == size
        for each, size in zip(fixed, wanted, strict=True)
    ):
        return
    msg = (
        f'the graph of {spec.name} must take (N, 3, {spec.size}, {spec.size}), '
        f'but its input {name!r} is {list(shape)}'
    )
    raise WeightsError(msg)


def to_half(content: bytes) -> bytes:
    """Return the graph in half precision, with float32 inputs and outputs."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load_model_from_string(content)
    # Warnings of the converter name weights below half precision's smallest number: they become
    # that number, which no mask shows.
    converted = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=False)
    return bytes(converted.SerializeToString())
