_base_ = ['./efficientnet-lite0_oc_1xb32_groceries.py', '../../_base_/removal/grocery.py']

queries, gallery = _base_.test_dataloader.dataset.datasets
test_dataloader = dict(dataset=dict(datasets=[dict(_base_.rembg, dataset=queries), gallery]))
