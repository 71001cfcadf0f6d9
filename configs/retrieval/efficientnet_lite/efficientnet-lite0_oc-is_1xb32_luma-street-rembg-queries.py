_base_ = ['./efficientnet-lite0_oc-is_1xb32_luma-street.py', '../../_base_/removal/luma_street.py']

queries, gallery = _base_.test_dataloader.dataset.datasets
white = dict(_base_.rembg_street, fill=255, dataset=queries)  # as the gallery is
test_dataloader = dict(dataset=dict(datasets=[white, gallery]))
