# All triplets in which the other class is not farther by the margin.
# The values of Kobs and Hotho for each dataset; docs/defaults.md says where they come from.
photos_per_class = 4
loss = dict(
    cars196=dict(type='TripletMarginLoss', margin=0.11902737154413517),
    cub200=dict(type='TripletMarginLoss', margin=0.09610074859813894),
    sop=dict(type='TripletMarginLoss', margin=0.04519248868248313),
)
