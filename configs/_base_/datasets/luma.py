_base_ = './loaders.py'

# Photos of a shop's products in 10 categories, OSL-3.0 / AFL-3.0, and folds of its products:
#   python tools/prepare_dataset.py luma
#   bgremoval catalogue folds data/luma_catalogue/products.csv data/folds/luma.csv \
#       --image file --product item_id --val-share 0.1
# Another fold: --cfg-options datasets.fold=1 for tools/train.py and tools/test.py; --folds 1 for
# tools/reproduce.py; {train,val,test}_dataloader.dataset.fold=1 for mmpretrain's own tools.
num_classes = 10
luma = dict(
    type='Catalogue',
    data_root='data/luma_catalogue',
    image='file',
    product='item_id',
    label='category',
    metainfo=dict(
        classes=(
            'Bags',
            'Bras & Tanks',
            'Fitness Equipment',
            'Hoodies & Sweatshirts',
            'Jackets',
            'Pants',
            'Shorts',
            'Tanks',
            'Tees',
            'Watches',
        )
    ),
    fold_file='data/folds/luma.csv',
    fold=0,
)

train_dataloader = dict(dataset=dict(luma, subset='train'))
val_dataloader = dict(dataset=dict(luma, subset='val'))
test_dataloader = dict(dataset=dict(luma, subset='test'))
val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='ProductAccuracy')]
test_evaluator = [
    dict(type='Accuracy', topk=(1,)),
    dict(type='ProductAccuracy'),
    dict(type='ClasswiseAccuracy'),
]
