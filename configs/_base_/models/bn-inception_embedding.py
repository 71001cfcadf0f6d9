# ImageNet weights, converted from Caffe, of pretrainedmodels 0.7.4. $BGREMOVAL_MM_PRETRAINED may
# name a folder that has the file.
pretrained = 'http://data.lip6.fr/cadene/pretrainedmodels/bn_inception-52deb4733.pth'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='BNInception', init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='EmbeddingHead', in_channels=1024, embedding_size=128),
)
