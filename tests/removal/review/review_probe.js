// Put into the page by test_review.py: sorts, filters by flag and name, judges, filters by verdict.
// What came of it goes to the title.
addEventListener('load', async () => {
  const check = (good, what) => { if (!good) throw new Error(what); };
  const get = id => document.getElementById(id);
  const paths = () => [...document.querySelectorAll('.path')].map(each => each.textContent);
  const set = (id, value) => { get(id).value = value; get('controls').dispatchEvent(new Event('input')); };
  try {
    await Promise.all([...document.images].map(each => { each.loading = 'eager'; return each.decode(); }));
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
    check(document.documentElement.scrollWidth <= innerWidth, 'too wide');
    document.title = 'ok';
  } catch (error) { document.title = 'broken: ' + error.message; }
});
