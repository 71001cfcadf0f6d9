// Uses the page like a person, and posts `ok` or what is wrong to the test.
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
  const give = (blob, file) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([blob], file, { type: blob.type }));
    byId('file').files = transfer.files;
    byId('file').dispatchEvent(new Event('change'));
  };
  try {
    const wide = Number(location.search.slice(1));
    document.documentElement.style.width = `${wide}px`;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [300, 200];
    const context = canvas.getContext('2d');
    context.fillRect(0, 0, 300, 200);
    context.fillStyle = '#fff';
    context.fillRect(75, 50, 150, 100);
    give(await new Promise((done) => canvas.toBlob(done, 'image/jpeg')), 'my.shoe.jpg');
    await until('a result', () => byId('status').textContent.startsWith('Done'));
    check(!byId('result').hidden, 'the result is hidden');
    check(after.naturalWidth === 300 && before.naturalWidth === 300, 'the pictures have other sizes');
    check(byId('facts').textContent === '300 × 200 pixels', byId('facts').textContent);
    check(byId('download').download === 'my.shoe.png', byId('download').download);
    check(byId('jpeg').hidden, 'JPEG without a backdrop');

    wipe.value = 30;
    wipe.dispatchEvent(new Event('input'));
    check(stage.style.getPropertyValue('--wipe') === '30%', 'the slider does not move the picture');
    wipe.focus();
    check(document.activeElement === wipe, 'the slider takes no keys');
    const box = stage.getBoundingClientRect();
    const middle = { clientX: box.left + box.width / 2, clientY: box.top + 9, pointerId: 1, isPrimary: true };
    stage.setPointerCapture = () => {};
    stage.dispatchEvent(new PointerEvent('pointerdown', { ...middle, bubbles: true, cancelable: true }));
    check(wipe.value === '50', `the pointer moved the slider to ${wipe.value}`);

    const old = byId('download').href;
    document.querySelector('[value="#ffffff"]').click();
    await until('a new download', () => byId('download').href !== old);
    check(!byId('jpeg').hidden, 'no JPEG on a backdrop');
    const bitmap = await createImageBitmap(await (await composed('image/png')));
    context.drawImage(bitmap, 0, 0);
    const [red, , , alpha] = context.getImageData(2, 2, 1, 1).data;
    check(red === 255 && alpha === 255, `the backdrop is ${red}, ${alpha}`);

    give(new Blob(['<html>'], { type: 'image/png' }), 'no.png');
    await until('an error', () => byId('status').className === 'error');
    check(byId('status').textContent.startsWith('The picture cannot be read: not an image'),
      byId('status').textContent);
    give(new Blob([new Uint8Array(data.maxBytes + 1)]), 'large.png');
    check(byId('status').textContent.includes('large.png is too large'), byId('status').textContent);
    check(document.body.scrollWidth <= wide, `the page is ${document.body.scrollWidth} pixels wide`);
    report('ok');
  } catch (error) {
    report(String(error));
  }
})();
