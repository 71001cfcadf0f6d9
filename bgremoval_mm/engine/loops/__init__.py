"""Loops for mmengine's Runner, registered in its root registry."""
