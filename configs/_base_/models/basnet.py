# BASNet as its authors feed it: RGB, ImageNet's mean and deviation. The encoder's stages 1 to 4
# start from ResNet-34 on ImageNet, all other convolutions by Xavier's rule, as in the paper.
model = dict(
    type='BASNetSegmentor',
    encoder_init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    init_cfg=dict(type='Xavier', layer='Conv2d'),
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1,
    ),
    test_cfg=dict(mode='whole'),
)
