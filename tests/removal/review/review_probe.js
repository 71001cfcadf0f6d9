// Put into the page by test_review_page.py: sorts, filters, judges by mouse and keys, enlarges, wipes, changes the backdrop.
// It says what came of it.
addEventListener('load', async () => {
  const check = (good, what) => { if (!good) throw new Error(what); };
  const get = id => document.getElementById(id);
  const paths = () => [...document.querySelectorAll('.path')].map(each => each.textContent);
  const set = (id, value) => { get(id).value = value; get('controls').dispatchEvent(new Event('input')); };
  const key = (name, on = document.body) => on.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
  const current = () => document.querySelector('.card.current .path').textContent;
  try {
    await Promise.all([...document.querySelectorAll('.card img')].map(each => { each.loading = 'eager'; return each.decode(); }));
    check(paths().length === 4, 'cards ' + paths());
    set('sort', 'path');
    check(paths().join() === [...paths()].sort().join(), 'by name ' + paths());
    set('sort', 'foreground');
    const shares = [...document.querySelectorAll('.card .faint')].map(e => +/foreground ([0-9.]+)/.exec(e.textContent)[1]);
    check(shares.join() === [...shares].sort((a, b) => a - b).join(), 'by foreground ' + shares);
    set('search', 'FULL');
    check(paths().join() === 'full.png', 'search ' + paths());
    set('search', '');
    for (const box of get('flags').querySelectorAll('input')) box.checked = box.value === 'empty';
    set('sort', '');
    check(paths().length === 1 && paths()[0].startsWith('empty'), 'flag ' + paths());
    document.querySelector('[data-verdict=reject]').click();
    for (const box of get('flags').querySelectorAll('input')) box.checked = true;
    set('verdict', 'reject');
    check(paths().length === 1, 'verdict ' + paths());
    set('verdict', 'open');
    check(paths().length === 3, 'open ' + paths());
    check(get('count').textContent === '3 of 4 shown, 1 judged, 1 rejected', get('count').textContent);
    check(get('failed').textContent.includes('the file is empty'), 'failed');
    // The second card of three is enlarged, judged by keys, and wiped over.
    set('sort', 'path');
    set('verdict', '');
    const [first, second, third] = paths();
    check(current() === first, 'current ' + current());
    document.querySelectorAll('.pair')[1].click();
    check(get('large').open && get('name').textContent === second, 'enlarged ' + get('name').textContent);
    key('r');
    check(get('name').textContent === third, 'rejected, then ' + get('name').textContent);
    key('ArrowLeft');
    check(get('judge').querySelector('[data-verdict=reject]').getAttribute('aria-pressed') === 'true', 'judged');
    key('k');
    key('ArrowLeft');
    check(get('judge').querySelector('[data-verdict=keep]').getAttribute('aria-pressed') === 'true', 'judged again');
    await Promise.all([get('photo').decode(), get('result').decode()]);
    check(get('photo').naturalWidth === get('result').naturalWidth, 'sizes');
    key('w');
    const box = get('photo').getBoundingClientRect();
    check(Math.abs(box.left - get('result').getBoundingClientRect().left) < 1, 'one over the other');
    get('stage').dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 4 }));
    check(getComputedStyle(get('result')).clipPath.includes('25%'), getComputedStyle(get('result')).clipPath);
    key('z');
    check(Math.abs(get('photo').getBoundingClientRect().width - get('photo').naturalWidth) < 1, 'actual pixels');
    get('close').click();
    check(!get('large').open && current() === second, 'closed ' + current());
    const colour = () => getComputedStyle(document.querySelector('.card .result')).backgroundColor;
    key('b');
    check(colour() === 'rgb(255, 255, 255)', 'white ' + colour());
    get('backdrop').value = 'own';
    get('colour').value = '#123456';
    get('backdrop').dispatchEvent(new Event('change'));
    check(colour() === 'rgb(18, 52, 86)' && !get('colour').hidden, 'other ' + colour());
    // A key in the search box is text.
    get('search').dispatchEvent(new KeyboardEvent('keydown', { key: 'r', bubbles: true }));
    check(get('count').textContent.endsWith('2 judged, 1 rejected'), get('count').textContent);
    set('search', 'u');
    window.confirm = text => text.startsWith('Reject all ' + paths().length);
    get('reject-all').click();
    check(table().split('reject').length === 1 + paths().length + 1, 'all ' + table());
    set('search', '');
    check(document.documentElement.scrollWidth <= innerWidth, 'too wide');
    say('ok');
  } catch (error) { say('broken: ' + error.message); }
});
