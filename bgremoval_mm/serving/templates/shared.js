// What the pages for people have in common: /, /search and the review.
'use strict';
const data = "{{data}}";
const byId = (id) => document.getElementById(id);

function say(text, kind = '') {
  byId('status').textContent = text;
  byId('status').className = kind;
}

const withToken = (headers = {}) => (data.needsToken ? { ...headers, 'X-Api-Key': byId('token').value } : headers);

function keepToken() {  // one that was right, for the other pages of this tab
  if (data.needsToken) sessionStorage.setItem('token', byId('token').value);
}

async function ask(path, options = {}) {  // fetch; what goes wrong is an error that a person can read
  let response;
  try {
    response = await fetch(path, { ...options, headers: withToken(options.headers) });
  } catch {
    throw new Error('The server cannot be reached. Is it running?');
  }
  if (response.ok) return response;
  const found = (await response.json().catch(() => ({}))).errors?.[0] ?? { title: `Status ${response.status}` };
  const error = new Error(found.detail ? `${found.title}: ${found.detail}` : found.title);
  error.code = found.code;
  throw error;
}

const megabytes = () => Math.floor(data.maxBytes / 2 ** 20);

function checkSize(file) {
  if (file.size > data.maxBytes) throw new Error(`${file.name} is too large: the limit is ${megabytes()} MB.`);
}

// Pages that take a photo: one that is chosen in one of the fields, dropped or pasted.
function takePhotos(take, ...fields) {
  const first = (files) => files[0] && take(files[0]);
  byId('limits').textContent = `JPEG, PNG, WebP, HEIC and more; up to ${megabytes()} MB ` +
    `and ${Math.floor(data.maxPixels / 1e6)} megapixels. Pasting works, too.`;
  for (const id of fields) byId(id).addEventListener('change', (event) => first(event.target.files));
  addEventListener('dragover', (event) => { event.preventDefault(); byId('drop').classList.add('over'); });
  addEventListener('dragleave', () => byId('drop').classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    byId('drop').classList.remove('over');
    first(event.dataTransfer.files);
  });
  addEventListener('paste', (event) => first(event.clipboardData.files));
}

function showResult() {
  byId('result').hidden = false;
  byId('drop').classList.add('small');
  byId('invitation').textContent = 'Drop another photo here, or choose one';
}

byId('version').textContent = data.version;
byId('token-label').hidden = !data.needsToken;
byId('token').value = sessionStorage.getItem('token') ?? '';
