_base_ = './inception-v3_in1k-pre_1xb32_luma.py'

# The probability of a person is one more channel of the pooled feature. First train its detector:
#   python tools/train.py configs/classification/catalogue/vgg-like_1xb32_luma-person.py
detector = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallCNN', arch='vgg_like', in_size=224),
    head=dict(type='BinaryClsHead', in_channels=256),
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/vgg-like_1xb32_luma-person/epoch_50.pth'
    ),
)
model = dict(
    backbone=dict(
        _delete_=True,
        type='PersonProbability',
        backbone=_base_.model.backbone,
        leave_out='fc',
        detector=detector,
    ),
    head=dict(type='LinearClsHead', in_channels=2048 + 1, num_classes=_base_.num_classes),
)
