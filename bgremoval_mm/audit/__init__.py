"""How much a trained model looks at the background.

evaluate  one model on the same test photos with their backgrounds changed
summary   how much of the score survives, and which classes lean on the background
picture   example photos and a chart
"""
