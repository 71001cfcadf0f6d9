"""Write the list of models in every ``configs/*/*/metafile.yml`` from the configs.

After adding, renaming or changing a config: ``python .dev_scripts/metafiles.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from mmengine.config import Config

from bgremoval_mm.engine.pairs import what_is_changed

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    'CCP': 'Clothing Co-Parsing',
    'CUB200': 'CUB-200-2011',
    'Catalogue': 'Luma',
    'CatalogueItems': 'Luma',
    'CCPSaliency': 'Clothing Co-Parsing',
    'DeepFashionCategory': 'DeepFashion Category',
    'DeepFashionConsumerToShop': 'DeepFashion Consumer-to-Shop',
    'DeepFashionInShop': 'DeepFashion In-Shop',
    'GroceryStore': 'Grocery Store',
    'GroceryStoreItems': 'Grocery Store',
    'PairsDataset': 'Your own pairs of photo and mask',
    'PairsInstances': 'Your own pairs of photo and mask',
    'SaliencyFolders': 'DUTS',
    'StanfordOnlineProducts': 'Stanford Online Products',
}


def metafile(folder: Path, load: Callable[[Path], Config] = Config.fromfile) -> str:
    """Return the text of a folder's metafile: its own head, and one line per config."""
    head, _, _ = (folder / 'metafile.yml').read_text(encoding='utf-8').partition('Models:\n')
    (collection,) = yaml.safe_load(head)['Collections']
    lines = []
    for path in sorted(folder.glob('*.py'), key=lambda path: path.stem):
        config = load(path)
        dataset = config.train_dataloader.dataset
        changed = what_is_changed(path.stem)
        name = dataset.get('dataset', dataset).type.removesuffix('Semantic')
        length = config.train_cfg.get('max_epochs')
        model = {
            'Name': path.stem,
            'In Collection': collection['Name'],
            'Config': path.relative_to(ROOT).as_posix(),
            'Metadata': {
                'Training Data': ', '.join(filter(None, (NAMES.get(name, name), changed))),
                **({'Epochs': length} if length else {'Iterations': config.train_cfg.max_iters}),
                'Batch Size': config.train_dataloader.batch_size,
            },
        }
        lines.append(f'  - {json.dumps(model)}\n')  # JSON is YAML
    return f'{head}Models:\n{"".join(lines)}'


if __name__ == '__main__':
    for file in sorted(ROOT.glob('configs/*/*/metafile.yml')):
        file.write_text(metafile(file.parent), encoding='utf-8')
