// Mask: the levels at the photo's full size, with brush, eraser and undo. Canvases of that size would be too large for
// phones, and some browsers change what is read back from them: so the levels are an array, and the PNG is written here.
class Mask {
  constructor(levels, width, height) {
    Object.assign(this, { levels, width, height, done: [], undone: [], stroke: null, kept: 0, forgot: false });
  }

  get changed() { return this.forgot || this.done.length > 0; }

  begin() { this.stroke = new Map(); }

  // Paint (level 255) or erase (level 0) along a line; all lengths in the photo's pixels.
  line(x0, y0, x1, y1, radius, level) {
    const { levels, width, height } = this, reach = Math.max(0.5, radius), outer = reach + 0.5;
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - outer)), right = Math.min(width, Math.ceil(Math.max(x0, x1) + outer));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - outer)), end = Math.min(height, Math.ceil(Math.max(y0, y1) + outer));
    if (left >= right || top >= end) return;
    this.keep(left, top, right, end);
    const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy || 1, inner = Math.max(0, reach - 0.5) ** 2;
    for (let y = top; y < end; y++) {
      for (let x = left; x < right; x++) {
        const px = x + 0.5 - x0, py = y + 0.5 - y0, along = Math.max(0, Math.min(1, (px * dx + py * dy) / length));
        const distance = (px - along * dx) ** 2 + (py - along * dy) ** 2;
        if (distance >= outer * outer) continue;
        const cover = distance <= inner ? 1 : Math.min(1, outer - Math.sqrt(distance)), at = y * width + x;
        levels[at] = level ? Math.max(levels[at], Math.round(255 * cover)) : Math.min(levels[at], Math.round(255 - 255 * cover));
      }
    }
  }

  finish() {
    if (this.stroke?.size) {
      this.done.push(this.stroke);
      this.kept += this.stroke.size;
      for (const each of this.undone) this.kept -= each.size;
      this.undone = [];
      while (this.kept * Mask.TILE ** 2 > Mask.MOST && this.done.length > 1) {
        this.kept -= this.done.shift().size;
        this.forgot = true;
      }
    }
    this.stroke = null;
  }

  cancel() {  // take the stroke under way back
    if (this.stroke) this.swap(this.stroke);
    this.stroke = null;
  }

  undo() { this.move(this.done, this.undone); }
  redo() { this.move(this.undone, this.done); }

  move(from, to) {
    const stroke = from.pop();
    if (!stroke) return;
    this.swap(stroke);
    to.push(stroke);
  }

  keep(left, top, right, end) {  // copy the tiles that a stroke is about to change
    const size = Mask.TILE, columns = Math.ceil(this.width / size);
    for (let row = Math.floor(top / size); row <= Math.floor((end - 1) / size); row++)
      for (let column = Math.floor(left / size); column <= Math.floor((right - 1) / size); column++) {
        const key = row * columns + column;
        if (!this.stroke.has(key)) this.stroke.set(key, this.tile(column, row));
      }
  }

  tile(column, row) {
    const size = Mask.TILE, left = column * size, wide = Math.min(size, this.width - left);
    const high = Math.min(size, this.height - row * size), copy = new Uint8Array(wide * high);
    for (let y = 0; y < high; y++) {
      const at = (row * size + y) * this.width + left;
      copy.set(this.levels.subarray(at, at + wide), y * wide);
    }
    return copy;
  }

  swap(stroke) {
    const size = Mask.TILE, columns = Math.ceil(this.width / size);
    for (const [key, before] of stroke) {
      const column = key % columns, row = Math.floor(key / columns), now = this.tile(column, row);
      const wide = Math.min(size, this.width - column * size);
      for (let y = 0; y < before.length / wide; y++)
        this.levels.set(before.subarray(y * wide, (y + 1) * wide), (row * size + y) * this.width + column * size);
      stroke.set(key, now);
    }
  }

  async png() {  // a grey PNG of 8 bits; each row as its difference to the one above
    const { levels, width, height } = this, rows = new Uint8Array((width + 1) * height);
    for (let y = 0; y < height; y++) {
      rows[y * (width + 1)] = 2;
      for (let x = 0, at = y * width; x < width; x++, at++)
        rows[y * (width + 1) + 1 + x] = levels[at] - (y ? levels[at - width] : 0);
    }
    const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    const head = new Uint8Array(13), numbers = new DataView(head.buffer);
    numbers.setUint32(0, width);
    numbers.setUint32(4, height);
    head[8] = 8;
    const signature = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
    const chunks = [['IHDR', head], ['IDAT', packed], ['IEND', new Uint8Array()]].map(([name, body]) => Mask.chunk(name, body));
    return new Blob([signature, ...chunks], { type: 'image/png' });
  }

  static chunk(name, body) {
    const made = new Uint8Array(body.length + 12), numbers = new DataView(made.buffer);
    numbers.setUint32(0, body.length);
    made.set([...name].map((letter) => letter.charCodeAt(0)), 4);
    made.set(body, 8);
    let crc = -1;
    for (let i = 4; i < body.length + 8; i++) crc = Mask.TABLE[(crc ^ made[i]) & 255] ^ (crc >>> 8);
    numbers.setUint32(body.length + 8, ~crc);
    return made;
  }
}
Mask.TILE = 128;
Mask.MOST = 256 * 2 ** 20;  // bytes that are kept for undo
Mask.TABLE = Int32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

// View: draws photo and mask on a canvas of the window's size, at any zoom.
class View {
  constructor(canvas) {
    Object.assign(this, { canvas, photo: null, mask: null, kind: 'overlay', scale: 1, left: 0, top: 0, fitted: true, due: false });
    this.layer = document.createElement('canvas');
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  get ratio() { return Math.min(2, devicePixelRatio || 1); }

  show(photo, mask) {
    Object.assign(this, { photo, mask });
    this.fit();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * this.ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * this.ratio));
    if (this.fitted) this.fit(); else this.place(this.left, this.top);
  }

  get whole() {  // the scale at which all of the photo is seen
    return Math.min(this.canvas.width / this.mask.width, this.canvas.height / this.mask.height);
  }

  fit() {
    if (!this.mask) return this.draw();
    this.fitted = true;
    this.scale = this.whole;
    this.place(0, 0);
  }

  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {  // about a point of the canvas
    if (!this.mask) return;
    const scale = Math.max(this.whole, Math.min(Math.max(16 * this.ratio, this.whole), this.scale * factor));
    this.fitted = scale <= this.whole;
    const [left, top] = [x - (x - this.left) * scale / this.scale, y - (y - this.top) * scale / this.scale];
    this.scale = scale;
    this.place(left, top);
  }

  pan(dx, dy) { this.place(this.left + dx, this.top + dy); }

  place(left, top) {  // keep the photo in the window; smaller than that, in its middle
    if (!this.mask) return this.draw();
    const within = (at, room) => (room >= 0 ? room / 2 : Math.min(0, Math.max(room, at)));
    this.left = within(left, this.canvas.width - this.mask.width * this.scale);
    this.top = within(top, this.canvas.height - this.mask.height * this.scale);
    this.draw();
  }

  at(event) {  // where a pointer is: [x, y] on the canvas
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.canvas.width / box.width, (event.clientY - box.top) * this.canvas.height / box.height];
  }

  toPhoto([x, y]) { return [(x - this.left) / this.scale, (y - this.top) / this.scale]; }

  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.drawNow(); });
  }

  drawNow() {
    const { canvas, photo, mask, scale, left, top } = this, context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!photo || !mask) return;
    context.imageSmoothingEnabled = scale < 3;
    context.imageSmoothingQuality = 'high';
    const [wide, high] = [mask.width * scale, mask.height * scale];
    context.globalCompositeOperation = 'source-over';
    if (this.kind !== 'mask') context.drawImage(photo, left, top, wide, high);
    if (this.kind === 'photo') return;
    const [x0, y0] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))];
    const [x1, y1] = [Math.min(canvas.width, Math.ceil(left + wide)), Math.min(canvas.height, Math.ceil(top + high))];
    if (x1 <= x0 || y1 <= y0) return;
    this.fill(x0, y0, x1 - x0, y1 - y0);
    context.globalCompositeOperation = this.kind === 'cutout' ? 'destination-in' : 'source-over';
    context.drawImage(this.layer, x0, y0);
    context.globalCompositeOperation = 'source-over';
  }

  fill(x0, y0, wide, high) {  // the mask as this kind of view colours it
    const { mask, layer, scale } = this, { levels, width, height } = mask;
    [layer.width, layer.height] = [wide, high];
    const context = layer.getContext('2d'), image = context.createImageData(wide, high);
    const pixels = new Uint32Array(image.data.buffer), colours = View.COLOURS[this.kind];
    // Where a pixel of the view covers several of the mask, four of them are averaged.
    const shift = scale < 0.7 ? 0.25 : 0;
    const places = (from, number, offset, most) => Int32Array.from({ length: number }, (_, i) =>
      Math.max(0, Math.min(most - 1, Math.floor((from + i + 0.5 + offset) / scale))));
    const columns = places(x0 - this.left, wide, -shift, width), rows = places(y0 - this.top, high, -shift, height);
    const right = places(x0 - this.left, wide, shift, width), lower = places(y0 - this.top, high, shift, height);
    for (let y = 0, i = 0; y < high; y++) {
      const upper = rows[y] * width, below = lower[y] * width;
      if (shift)
        for (let x = 0; x < wide; x++, i++)
          pixels[i] = colours[(levels[upper + columns[x]] + levels[upper + right[x]] + levels[below + columns[x]]
                               + levels[below + right[x]] + 2) >> 2];
      else for (let x = 0; x < wide; x++, i++) pixels[i] = colours[levels[upper + columns[x]]];
    }
    context.putImageData(image, 0, 0);
  }
}
View.COLOURS = (() => {  // of each level, as a pixel's four bytes
  const table = (make) => new Uint32Array(Uint8Array.from(
    Array.from({ length: 256 }, (_, level) => make(level)).flat()).buffer);
  return {
    overlay: table((level) => [214, 30, 60, Math.round(0.62 * (255 - level))]),
    cutout: table((level) => [0, 0, 0, level]),
    mask: table((level) => [level, level, level, 255]),
  };
})();
