# Distances of photos of a class above pos_margin, and of others below neg_margin.
# The values of Kobs and Hotho for each dataset; docs/defaults.md says where they come from.
photos_per_class = 4
loss = dict(
    cars196=dict(
        type='ContrastiveLoss', pos_margin=0.26523381895861114, neg_margin=0.5409405918690342
    ),
    cub200=dict(
        type='ContrastiveLoss', pos_margin=-0.19999999999999726, neg_margin=0.3841191369511769
    ),
    sop=dict(type='ContrastiveLoss', pos_margin=0.2850258234628094, neg_margin=0.5130146609636679),
)
