"""Classes and colours of Fashionpedia and CCP, and the folders of what is made of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

#: Pixels with this value belong to no class: no loss, and no part in a metric.
IGNORED = 255

#: In the order of the annotation files: category id = index. The last 19 are parts of garments.
FASHIONPEDIA_CLASSES = (
    'shirt, blouse',
    'top, t-shirt, sweatshirt',
    'sweater',
    'cardigan',
    'jacket',
    'vest',
    'pants',
    'shorts',
    'skirt',
    'coat',
    'dress',
    'jumpsuit',
    'cape',
    'glasses',
    'hat',
    'headband, head covering, hair accessory',
    'tie',
    'glove',
    'watch',
    'belt',
    'leg warmer',
    'tights, stockings',
    'sock',
    'shoe',
    'bag, wallet',
    'scarf',
    'umbrella',
    'hood',
    'collar',
    'lapel',
    'epaulette',
    'sleeve',
    'pocket',
    'neckline',
    'buckle',
    'zipper',
    'applique',
    'bead',
    'bow',
    'flower',
    'fringe',
    'ribbon',
    'rivet',
    'ruffle',
    'sequin',
    'tassel',
)

#: Index of the background where it is a class of its own: the last, so that no other one moves.
BACKGROUND = len(FASHIONPEDIA_CLASSES)

#: Labels 1 to 58 of ``label_list.mat``; label 0 is the background. Class index = label - 1.
CCP_CLASSES = (
    'accessories',
    'bag',
    'belt',
    'blazer',
    'blouse',
    'bodysuit',
    'boots',
    'bra',
    'bracelet',
    'cape',
    'cardigan',
    'clogs',
    'coat',
    'dress',
    'earrings',
    'flats',
    'glasses',
    'gloves',
    'hair',
    'hat',
    'heels',
    'hoodie',
    'intimate',
    'jacket',
    'jeans',
    'jumper',
    'leggings',
    'loafers',
    'necklace',
    'panties',
    'pants',
    'pumps',
    'purse',
    'ring',
    'romper',
    'sandals',
    'scarf',
    'shirt',
    'shoes',
    'shorts',
    'skin',
    'skirt',
    'sneakers',
    'socks',
    'stockings',
    'suit',
    'sunglasses',
    'sweater',
    'sweatshirt',
    'swimwear',
    't-shirt',
    'tie',
    'tights',
    'top',
    'vest',
    'wallet',
    'watch',
    'wedges',
)


def palette(number: int) -> list[tuple[int, int, int]]:
    """Return colours that are easy to tell apart, by the rule of PASCAL VOC.

    Args:
        number: How many.

    Returns:
        One (R, G, B) per class; none is black, which is left to the background.
    """
    indices = np.arange(1, number + 1)
    colours = np.zeros((number, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (indices >> (3 * bit + channel) & 1) << (7 - bit)
    return [(int(red), int(green), int(blue)) for red, green, blue in colours]


def prepared_folder(root: str | Path) -> Path:
    """Return the folder for what a tool makes of a dataset: ``data/ccp`` -> ``data/ccp-prepared``.

    Beside the dataset, not in it, so that the dataset may be read-only, and so that label maps
    are not taken for photographs when the background is removed from all images below its folder.
    """
    root = Path(os.path.expanduser(root))  # noqa: PTH111 (a Path is given as well as a string)
    if root.name in ('', '..'):
        root = root.resolve()
    return root.with_name(f'{root.name}-prepared')
