_base_ = './luma.py'

# Masks of the street photos are predicted on these, as of any photo; those that made them are not
# used again. Once:
#   python tools/remove_background.py data/luma_street data/masks/luma_street --sheet
rembg_street = dict(_base_.rembg, mask_dir='data/masks/luma_street')
