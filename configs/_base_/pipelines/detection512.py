# mmdet's coco_instance.py at 512 x 512: within it, with the ratio kept; batches are padded.
# To stretch to 512 x 512: {train,val,test}_dataloader.dataset.pipeline.N.keep_ratio=False
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=(512, 512), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 512), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    # `instances` is what CocoMetric compares with where its ann_file is None, as for a part of the
    # photos: of those that an ann_file lists, each that is not shown counts as missed.
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
    ),
]
