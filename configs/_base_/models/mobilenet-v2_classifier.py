# ImageNet weights, Apache-2.0: those of mobilenet_v2_1.0_224_quant.tflite, in GitHub's
# google-coral/test_data, as numbers. $BGREMOVAL_MM_PRETRAINED must name the folder of the file.
pretrained = 'npz://mobilenet_v2_1.0_224_in1k_dequant.npz'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='MobileNetV2',
        conv_cfg=dict(type='Conv2dAdaptivePadding'),  # pads as TensorFlow does
        # The weights come with normalisation folded into the convolutions: there are no statistics
        # that could go on, and those of a batch would change what the network computes.
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=1280, topk=(1,)),
)
