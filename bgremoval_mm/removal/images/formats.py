"""The kinds of picture files: how each is recognised, and what to do with those not read."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ['HEAD', 'IMAGE_SUFFIXES', 'Kind', 'kind_of', 'suffix_of']

HEAD = 512  # bytes from the beginning of a file that tell its kind


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of picture file.

    Attributes:
        name: What people call it.
        opener: Pillow's name of the format that reads it; empty if it is not read.
        package: Distribution that reads it, where Pillow alone does not.
        requirement: What `pip install` is given to get it.
        remedy: What to do with a file that is not read.
        is_picture: Whether a folder's file of this kind is a picture that is wanted.
    """

    name: str
    opener: str = ''
    package: str = ''
    requirement: str = ''
    remedy: str = ''
    is_picture: bool = True


_EXPORT = 'export it as PNG, TIFF or JPEG'
_CONVERT = 'convert it to PNG or TIFF'

# What is read. Pillow opens many more formats, some of them obscure enough to be a risk with files
# from strangers.
JPEG = Kind('JPEG', 'JPEG')
PNG = Kind('PNG', 'PNG')
WEBP = Kind('WebP', 'WEBP')
BMP = Kind('BMP', 'BMP')
TIFF = Kind('TIFF', 'TIFF')
GIF = Kind('GIF', 'GIF')
AVIF = Kind('AVIF', 'AVIF')
JPEG_2000 = Kind('JPEG 2000', 'JPEG2000')
PNM = Kind('PNM', 'PPM')
TGA = Kind('TGA', 'TGA')
HEIC = Kind('HEIC', 'HEIF', 'pi-heif', '"bgremoval_mm[formats]"')
# Its plugin is under GPL-3.0, so that no extra of ours brings it.
JPEG_XL = Kind('JPEG XL', 'JXL', 'pillow-jxl-plugin', 'pillow-jxl-plugin')

RAW = Kind('camera RAW', remedy='develop it and export JPEG, PNG or TIFF')
PSD = Kind('Photoshop (PSD)', remedy=_EXPORT)
XCF = Kind('GIMP (XCF)', remedy=_EXPORT)
SVG = Kind('SVG', remedy='draw it as PNG')
EPS = Kind('EPS', remedy='draw it as PNG')
ILLUSTRATOR = Kind('Illustrator (AI)', remedy=_EXPORT)
PDF = Kind('PDF', remedy='export its pages as PNG or TIFF', is_picture=False)
EXR = Kind('OpenEXR', remedy='tone-map it and export PNG or TIFF')
RADIANCE = Kind('Radiance HDR', remedy='tone-map it and export PNG or TIFF')
ICO = Kind('icon (ICO)', remedy=_CONVERT)
PCX = Kind('PCX', remedy=_CONVERT)
PAM = Kind('PAM', remedy=_CONVERT)
DDS = Kind('DDS', remedy=_CONVERT)
QOI = Kind('QOI', remedy=_CONVERT)
JPEG_XR = Kind('JPEG XR', remedy=_CONVERT)
BPG = Kind('BPG', remedy=_CONVERT)
FLIF = Kind('FLIF', remedy=_CONVERT)
DICOM = Kind('DICOM', remedy=_CONVERT)

_SUFFIXES_OF_KIND = {
    JPEG: 'jpg jpeg jpe jfif jif pjpeg pjp mpo',
    PNG: 'png apng',
    WEBP: 'webp',
    BMP: 'bmp dib',
    TIFF: 'tif tiff',
    GIF: 'gif',
    AVIF: 'avif avifs',
    JPEG_2000: 'jp2 j2k j2c jpc jpf jpx',
    PNM: 'ppm pgm pbm pnm pfm',
    TGA: 'tga icb vda vst',
    ICO: 'ico',
    PCX: 'pcx',
    HEIC: 'heic heif heics heifs hif',
    JPEG_XL: 'jxl',
    RAW: '3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf pef raf'
    ' rw2 rwl sr2 srf srw x3f',
    PSD: 'psd psb',
    XCF: 'xcf',
    SVG: 'svg svgz',
    EPS: 'eps',
    ILLUSTRATOR: 'ai',
    EXR: 'exr',
    PAM: 'pam',
    DDS: 'dds',
    QOI: 'qoi',
    JPEG_XR: 'jxr wdp hdp',
    BPG: 'bpg',
    FLIF: 'flif',
    DICOM: 'dcm',
}
_BY_SUFFIX = {
    f'.{word}': kind for kind, words in _SUFFIXES_OF_KIND.items() for word in words.split()
}
IMAGE_SUFFIXES = frozenset(_BY_SUFFIX)

_SIGNATURES = {
    b'\xff\xd8\xff': JPEG,
    b'\x89PNG\r\n\x1a\n': PNG,
    b'GIF8': GIF,
    b'\x00\x00\x00\x0cjP  \r\n\x87\n': JPEG_2000,
    b'\xff\x4f\xff\x51': JPEG_2000,
    b'\x00\x00\x00\x0cJXL \r\n\x87\n': JPEG_XL,
    b'\xff\x0a': JPEG_XL,
    b'P7\n': PAM,
    b'8BPS': PSD,
    b'gimp xcf': XCF,
    b'<svg': SVG,
    b'\xc5\xd0\xd3\xc6': EPS,
    b'v/1\x01': EXR,
    b'#?RADIANCE': RADIANCE,
    b'#?RGBE': RADIANCE,
    b'DDS ': DDS,
    b'qoif': QOI,
    b'II\xbc\x01': JPEG_XR,
    b'BPG\xfb': BPG,
    b'FLIF': FLIF,
    # Fujifilm, Sigma, Minolta, Panasonic, Olympus (three), Canon (before 2004)
    b'FUJIFILMCCD-RAW': RAW,
    b'FOVb': RAW,
    b'\x00MRM': RAW,
    b'IIU\x00': RAW,
    b'IIRO': RAW,
    b'IIRS': RAW,
    b'MMOR': RAW,
    b'II\x1a\x00\x00\x00HEAPCCDR': RAW,
}
_TIFFS = (b'II*\x00', b'MM\x00*', b'II+\x00', b'MM\x00+')  # the latter two are BigTIFF
_NETPBM = re.compile(rb'P[1-6]\s+(?:#|\d)|P[Ff]\s+\d')
_AVIF_BRANDS = frozenset((b'avif', b'avis'))
_HEIC_BRANDS = frozenset(
    (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs', b'mif1', b'msf1')
)
# Sizes of the header that follows a BMP's first 14 bytes, by the versions of the format.
_BMP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in lower case, with its dot; empty if it has none."""
    stem, dot, suffix = name.rpartition('.')
    return f'.{suffix.lower()}' if dot and stem and '/' not in suffix else ''


def kind_of(head: bytes, name: str = '') -> Kind | None:
    """Return the kind of a picture, by its content and, where that cannot tell, by its name.

    Most camera RAW files are TIFF files inside, and TGA has no signature: those two are known by
    their suffixes. Otherwise the content decides, whatever the name.

    Args:
        head: The first ``HEAD`` bytes of the file, or all of it.
        name: Name of the file, if there is one.

    Returns:
        The kind, or None if it is not a known one.
    """
    by_suffix = _BY_SUFFIX.get(suffix_of(name))
    found = _by_content(head)
    if by_suffix is RAW and found in (TIFF, None):
        return RAW
    if by_suffix is ILLUSTRATOR and found in (PDF, EPS):
        return ILLUSTRATOR
    if found is None and by_suffix is TGA:
        return TGA
    return found


def _by_content(head: bytes) -> Kind | None:
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head.startswith(_TIFFS):
        return RAW if head[8:10] == b'CR' else TIFF
    if head[:4] == b'RIFF' and head[8:12] == b'WEBP':
        return WEBP
    if head[4:8] == b'ftyp':
        return _by_brands(head)
    if _NETPBM.match(head):
        return PNM
    if head[:2] == b'BM' and int.from_bytes(head[14:18], 'little') in _BMP_HEADERS:
        return BMP
    if head[:4] == b'\x00\x00\x01\x00' and 0 < int.from_bytes(head[4:6], 'little') < 256:
        return ICO if head[9:10] == b'\x00' else None
    if head[:1] == b'\n' and head[1:2] in b'\x00\x02\x03\x04\x05' and head[2:3] == b'\x01':
        return PCX if head[3:4] in (b'\x01', b'\x02', b'\x04', b'\x08') else None
    return _by_text(head)


def _by_text(head: bytes) -> Kind | None:
    if head.startswith(b'%PDF'):
        return PDF
    if head.startswith(b'%!PS') and b'EPSF' in head[:40]:
        return EPS
    if head.lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<?xml') and b'<svg' in head:
        return SVG
    return DICOM if head[128:132] == b'DICM' else None


def _by_brands(head: bytes) -> Kind | None:
    """Tell pictures from films: both are ISO base media files, which list their brands."""
    box = head[8 : int.from_bytes(head[:4], 'big')]
    brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box) - 3, 4))}
    if b'crx ' in brands:
        return RAW
    if brands & _AVIF_BRANDS:
        return AVIF
    return HEIC if brands & _HEIC_BRANDS else None
