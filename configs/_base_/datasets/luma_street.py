_base_ = './luma_items.py'

# Street to shop, simulated (docs/retrieval.md): networks that were trained as those of luma_items
# are asked for garments of the test before the landscapes and towns of bank B; the gallery is as
# the shop has it. Queries are the photos from behind. Close-ups are none: a mask of half of them
# does not have the garment, and the mask makes the photo. Photos, once, after those of luma_items:
#   bgremoval replace data/luma_catalogue data/luma_street --masks data/masks/luma_catalogue \
#       --bank data/background_bank/bank_b.txt --scale 0.5 1
street = dict(
    _base_.photos,
    data_root='data/luma_street',
    manifest='data/luma_catalogue/products.csv',
    queries=dict(view=['back']),
)

test_dataloader = dict(
    dataset=dict(datasets=[dict(street, subset='query'), dict(_base_.photos, subset='gallery')])
)
