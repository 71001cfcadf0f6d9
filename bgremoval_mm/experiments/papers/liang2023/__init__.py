"""Liang, Liu, Vlassov: background removal for fashion classification and segmentation."""
