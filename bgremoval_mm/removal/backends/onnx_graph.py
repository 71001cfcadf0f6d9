"""Changes to the models' ONNX graphs."""

from __future__ import annotations

from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.weights import WeightsError

__all__ = ['make_batchable', 'to_half']


def make_batchable(content: bytes, spec: ModelSpec, batch: int = 0) -> bytes:
    """The same ONNX graph for any batch size, or another one, and with its first output alone.

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
    shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] not in (0, 3) or shape[2] not in (0, spec.size):
        msg = (
            f'the graph of {spec.name} must take (N, 3, {spec.size}, {spec.size}), '
            f'but its input {image.name!r} is {shape}'
        )
        raise WeightsError(msg)
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
    return graph.SerializeToString()


def to_half(content: bytes) -> bytes:
    """The same graph in half precision, with float32 inputs and outputs."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load_model_from_string(content)
    # Warnings of the converter name weights below half precision's smallest number: they become
    # that number, which no mask shows.
    converted = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=False)
    return converted.SerializeToString()
