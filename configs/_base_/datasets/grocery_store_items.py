_base_ = ['./loaders.py', './item_retrieval.py']

# Products held up in shops: those of the test are others than those of training. MIT:
#   python tools/prepare_dataset.py grocerystore
# Categories are the authors' coarse classes. Queries and gallery of the test are two datasets, so
# that they can differ. The pipelines come from _base_/pipelines.
num_classes = 43
photos = dict(type='GroceryStoreItems', data_root='data/grocery_store')

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='val'))
test_dataloader = dict(
    dataset=dict(
        type='ConcatDataset',
        datasets=[dict(photos, subset='query'), dict(photos, subset='gallery')],
    ),
)
