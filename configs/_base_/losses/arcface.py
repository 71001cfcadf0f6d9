# A proxy for each class; the margin is in degrees.
# The values of Kobs and Hotho for each dataset; docs/defaults.md says where they come from.
photos_per_class = 1
loss = dict(
    cars196=dict(type='ArcFaceLoss', margin=20.52230893710211, scale=49.501652066223656),
    cub200=dict(type='ArcFaceLoss', margin=23.225935497468093, scale=99.99999999999999),
    sop=dict(type='ArcFaceLoss', margin=18.63185573324141, scale=220.36285192573413),
)
proxies_lr = dict(
    cars196=7.398518179078544e-06, cub200=0.0051384088179694, sop=0.0020186601854510562
)
