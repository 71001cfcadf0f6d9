# As clothing10.py, for a training without the photos whose mask is flagged, or failed. The list:
#   bgremoval sheet data/masks/clothing10 data/clothing10 \
#       --leave-out data/masks/clothing10/left_out.txt
_base_ = './clothing10.py'

left_out = 'data/masks/clothing10/left_out.txt'
