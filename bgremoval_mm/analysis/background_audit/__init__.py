"""How much a trained model looks at the background.

evaluate        one model on the same test photos with their backgrounds changed
prepare_config  a config, made ready to be tested only
backgrounds     the steps of its pipelines that the audit replaces
masks           where their masks come from, and where those that are made are kept
summary         how much of the score survives, and which classes lean on the background
picture         example photos and a chart
"""
