_base_ = ['./efficientnet-lite0_oc-is_1xb32_luma-items.py', '../../_base_/removal/luma.py']

queries, gallery = _base_.test_dataloader.dataset.datasets
white = dict(_base_.rembg, fill=255, dataset=queries)  # as the gallery is
test_dataloader = dict(dataset=dict(datasets=[white, gallery]))
