# Registers RemoveBackground, RembgDataset and DiffMetricsHook. The one place that imports the
# package: a config whose bases define a key twice does not load.
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
