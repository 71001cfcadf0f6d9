// Uses the review page like a person, and posts `ok` or what is wrong to the test.
(async () => {
  const until = async (what, test) => {
    for (let tries = 0; tries < 3000; tries++) {
      if (test()) return;
      await new Promise((done) => setTimeout(done, 20));
    }
    throw new Error(`waited in vain for ${what}: ${byId('status').textContent}`);
  };
  const report = (text) => fetch('probe', { method: 'POST', body: text });
  const check = (fact, what) => { if (!fact) throw new Error(what); };
  const canvas = byId('canvas');
  canvas.setPointerCapture = () => {};
  const press = (key, more = {}) => canvas.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
  const at = ([x, y]) => {  // a place of the photo, on the screen
    const box = canvas.getBoundingClientRect();
    return { clientX: box.left + (view.left + x * view.scale) / view.ratio, clientY: box.top + (view.top + y * view.scale) / view.ratio };
  };
  const send = (kind, place, more) => canvas.dispatchEvent(new PointerEvent(kind,
    { ...at(place), pointerId: 1, isPrimary: true, button: 0, bubbles: true, cancelable: true, ...more }));
  const stroke = (...places) => {
    send('pointerdown', places[0]);
    for (const place of places.slice(1)) send('pointermove', place);
    send('pointerup', places[places.length - 1]);
  };
  const level = (x, y) => mask.levels[y * mask.width + x];
  const ready = (name) => until(name, () => current?.name === name && mask && view.photo);
  window.confirm = () => true;
  try {
    const wide = Number(location.search.slice(1));
    document.documentElement.style.width = `${wide}px`;
    await ready('noisy.png');
    check(byId('list').children.length === 5, `${byId('list').children.length} photos are listed`);
    check(byId('flags').textContent !== '', 'no flags');
    check(document.body.scrollWidth <= wide, `the page is ${document.body.scrollWidth} pixels wide`);

    // Painting: a stroke, an undo, a redo; an eraser's stroke that is taken back.
    press('ArrowRight');
    await ready('paint.png');
    check(mask.width === 300 && mask.height === 200, `the mask has ${mask.width} x ${mask.height} pixels`);
    const before = [level(20, 150), level(150, 100), level(40, 180), level(120, 20)], between = level(40, 150);
    check(before[0] < 100 && before[1] > 200, `the network's mask has ${before}`);
    stroke([20, 150], [60, 150]);
    check(!mask.changed && level(20, 150) === before[0], 'the hand paints');
    press('b');
    await until('the claim', () => claim);
    byId('size').value = 50;
    stroke([20, 150], [60, 150], [60, 180]);
    check(level(20, 150) === 255 && level(40, 150) === 255 && level(60, 170) === 255, 'the brush does not paint');
    check(level(40, 180) === before[2] && level(120, 20) === before[3], 'the brush paints elsewhere');
    check(byId('accept').textContent === 'Publish with my mask', byId('accept').textContent);
    press('z', { ctrlKey: true });
    check(level(20, 150) === before[0] && level(40, 150) === between && !mask.changed && byId('undo').disabled, 'undo leaves traces');
    press('y', { ctrlKey: true });
    check(level(40, 150) === 255 && mask.changed, 'redo does nothing');
    press('e');
    stroke([150, 100], [160, 100]);
    check(level(150, 100) === 0 && level(155, 100) === 0, 'the eraser does not erase');
    byId('undo').click();
    check(level(150, 100) === before[1], 'undo does not bring the erased back');

    // A second finger: what the first one painted is taken back, and both zoom.
    press('b');
    const scale = view.scale;
    send('pointerdown', [100, 30]);
    check(level(100, 30) === 255, 'a finger does not paint');
    send('pointerdown', [120, 30], { pointerId: 2 });
    check(level(100, 30) < 255, 'the first finger of two has painted');
    send('pointermove', [180, 30], { pointerId: 2 });
    check(view.scale > 2 * scale, `two fingers zoom from ${scale} to ${view.scale}`);
    for (const pointerId of [1, 2]) send('pointerup', [0, 0], { pointerId });
    press('0');
    check(Math.abs(view.scale - scale) < 1e-6 && mask.done.length === 1, 'the zoom has painted');
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const [x, y] = [view.left + 40 * view.scale, view.top + 120 * view.scale].map(Math.round);
    const tinted = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
    check(tinted[0] > tinted[2] + 40, `the overlay of the background is ${tinted}`);
    press('2');
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    check(canvas.getContext('2d').getImageData(x, y, 1, 1).data[3] < 100, 'the cut-out has its background');
    press('a');
    await until('the painted mask', () => byId('status').textContent.startsWith('paint.png is published with your mask'));

    // Rejection with a reason.
    byId('list').children[0].firstChild.click();
    await ready('noisy.png');
    press('r');
    check(byId('why').open, 'no question why');
    byId('reason').value = 'photo is blurred';
    byId('why-yes').click();
    await until('the rejection', () => byId('status').textContent.startsWith('noisy.png is rejected'));

    // Acceptance.
    await ready('plain.png');
    press('a');
    await until('the acceptance', () => byId('status').textContent.startsWith('plain.png is published'));

    // A mask of another size, then one that fits.
    await ready('upload.png');
    const give = async (width) => {
      const drawn = document.createElement('canvas');
      [drawn.width, drawn.height] = [width, 200];
      const context = drawn.getContext('2d');
      context.fillRect(0, 0, width, 200);
      context.fillStyle = '#fff';
      context.fillRect(50, 50, 100, 100);
      const blob = await new Promise((done) => drawn.toBlob(done, 'image/png'));
      const transfer = new DataTransfer();
      transfer.items.add(new File([blob], 'mine.png', { type: 'image/png' }));
      byId('file').files = transfer.files;
      byId('file').dispatchEvent(new Event('change'));
    };
    await give(299);
    await until('a refusal', () => byId('status').className === 'error');
    check(byId('status').textContent.includes('300 x 200 pixels, but has 299 x 200'), byId('status').textContent);
    await until('the photo back', () => rows.some((row) => row.name === 'upload.png'));
    [...byId('list').querySelectorAll('button')].find((each) => each.textContent.startsWith('upload.png')).click();
    await ready('upload.png');
    await give(300);
    await until('the upload', () => byId('status').textContent.startsWith('upload.png is published with the mask mine.png'));

    // Somebody else takes the last one while this page paints; what was painted is not lost.
    await ready('zz.png');
    press('b');
    await until('the claim', () => claim);
    stroke([20, 150], [60, 150]);
    await report('take zz.png');
    press('a');
    await until('a refusal', () => byId('status').className === 'error');
    check(byId('status').textContent.includes('it is failed (rejected by a person: taken)'), byId('status').textContent);
    check(saved.size === 1, 'the painting is lost');
    await until('the end', () => byId('work').hidden);
    await report('ok');
  } catch (error) {
    await report(`${error} ${error.stack}`);
  }
})();
