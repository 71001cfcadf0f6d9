// Searches like a person, and posts `ok` or what is wrong to the test.
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
  const transferOf = (blob, file) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([blob], file, { type: blob.type }));
    return transfer;
  };
  const hits = () => [...document.querySelectorAll('#hits li')];
  try {
    const wide = Number(location.search.slice(1));
    document.documentElement.style.width = `${wide}px`;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [90, 60];
    const context = canvas.getContext('2d');
    context.fillStyle = 'rgb(0, 90, 250)';
    context.fillRect(0, 0, 90, 60);
    const photo = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    byId('token').value = 'wrong';
    dispatchEvent(new DragEvent('drop', { dataTransfer: transferOf(photo, 'sky.png'), cancelable: true }));
    await until('a refusal', () => byId('status').className === 'error');
    check(byId('status').textContent.startsWith('Wrong token'), byId('status').textContent);

    byId('token').value = 'a token of the test';
    dispatchEvent(new ClipboardEvent('paste', { clipboardData: transferOf(photo, 'sky.png') }));
    await until('a result', () => byId('status').textContent.startsWith('The 5 most similar of 7 photos'));
    check(!byId('result').hidden && hits().length === 5, `${hits().length} hits`);
    check(hits()[0].textContent === '1 · 1.000 blue/sky.png', hits()[0].textContent);
    await until('thumbnails', () => hits().filter((each) => each.querySelector('img')?.naturalWidth === 12).length === 4);
    await until('the deleted one', () => hits().filter((each) => each.querySelector('.gone')).length === 1);
    check(!byId('mask-figure').hidden && !byId('photo-figure').hidden, 'no mask');
    check(byId('mask').naturalWidth === 90 && byId('seen').naturalWidth === 90, 'the mask has another size');
    check(byId('photo').naturalWidth === 90, 'the photo is not shown');

    byId('k').value = '10';
    byId('k').dispatchEvent(new Event('change'));
    await until('more', () => byId('status').textContent.startsWith('The 7 most similar of 7 photos'));

    byId('taken').files = transferOf(new Blob(['<html>'], { type: 'image/png' }), 'no.png').files;
    byId('taken').dispatchEvent(new Event('change'));
    await until('an error', () => byId('status').className === 'error');
    check(byId('status').textContent.startsWith('The picture cannot be read: not an image'),
      byId('status').textContent);
    check(byId('result').hidden, 'the result of another photo is still shown');
    check(document.body.scrollWidth <= wide, `the page is ${document.body.scrollWidth} pixels wide`);
    report('ok');
  } catch (error) {
    report(String(error));
  }
})();
