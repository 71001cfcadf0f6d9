"""Audits of how much a trained model depends on the background.

evaluate        one model on the same test photos with their backgrounds changed
prepare_config  a config, made ready to be tested only
backgrounds     the steps of its pipelines that the audit replaces
masks           where their masks come from, and where new ones are kept
summary         the share of the score that is retained, and the dependence of each class
uncertainty     intervals over photos, and chance
detection       the same of mAP
text            both as tables
picture         example photos and a chart
"""
