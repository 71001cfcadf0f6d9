# A proxy for each class; cosines over the temperature.
# The values of Kobs and Hotho for each dataset; docs/defaults.md says where they come from.
photos_per_class = 1
loss = dict(
    cars196=dict(type='NormalizedSoftmaxLoss', temperature=0.08863250090946041),
    cub200=dict(type='NormalizedSoftmaxLoss', temperature=0.10874714987070239),
    sop=dict(type='NormalizedSoftmaxLoss', temperature=0.06306243924788482),
)
proxies_lr = dict(
    cars196=0.011046164985524668, cub200=0.004468915155818225, sop=0.0005468337161961759
)
