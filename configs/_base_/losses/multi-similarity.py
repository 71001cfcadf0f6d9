# Cosines above and below base, weighted by alpha within a class, by beta between classes.
# The values of Kobs and Hotho for each dataset; docs/defaults.md says where they come from.
photos_per_class = 4
loss = dict(
    cars196=dict(
        type='MultiSimilarityLoss',
        alpha=14.358760978642266,
        beta=75.83486384086837,
        base=0.6615555839124118,
    ),
    cub200=dict(
        type='MultiSimilarityLoss',
        alpha=0.010000000000000505,
        beta=50.601773762279336,
        base=0.5624815816186126,
    ),
    sop=dict(
        type='MultiSimilarityLoss',
        alpha=8.492496310524517,
        beta=57.38862611417401,
        base=0.41673621630849955,
    ),
)
