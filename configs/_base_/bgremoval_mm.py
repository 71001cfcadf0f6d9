# Registers the package's classes (RemoveBackground, RembgDataset, DiffMetricsHook...) and lets
# initialisation weights come from the folder $BGREMOVAL_MM_PRETRAINED. The one place that imports
# the package: a config whose bases define a key twice does not load.
custom_imports = dict(
    imports=['bgremoval_mm', 'bgremoval_mm.pretrained'], allow_failed_imports=False
)
