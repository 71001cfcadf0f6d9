# ViT-B/16: mmpretrain's vit-base-p16_64xb64_in1k-384px.py, at 224 pixels.
# Both variants use it; the reasons are in docs/defaults.md.
_base_ = './crop224.py'

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
