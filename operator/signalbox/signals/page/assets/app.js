// The page: one stream in, everything drawn from the newest view and the past.

import { Backends } from './backends.js';
import { assign, theme } from './colours.js';
import { el, say } from './dom.js';
import { Policy } from './policies.js';
import { Store } from './store.js';
import { Tiles } from './tiles.js';
import * as words from './words.js';

const LATE_INTERVALS = 3;
const LEAST_LATE = 10;
const byId = (id) => document.getElementById(id);

const picked = new Set();
const policies = new Map();
const tiles = new Tiles();
const backends = new Backends(picked, () => draw());
const store = new Store((fresh) => { if (fresh) draw(); state(); }, choose);

function draw() {
  const { view } = store;
  if (!view || document.hidden) return;
  const names = view.backends.map((each) => each.name);
  if (JSON.stringify(names) !== draw.names) {
    draw.names = JSON.stringify(names);
    assign(names);
  }
  for (const name of picked) if (!names.includes(name)) picked.delete(name);
  const found = new Map(view.backends.map((each) => [each.name, each]));
  const host = byId('policies');
  const wanted = view.policies.map((each) => each.name);
  if (JSON.stringify(wanted) !== draw.policies) {
    draw.policies = JSON.stringify(wanted);
    for (const name of [...policies.keys()]) if (!wanted.includes(name)) policies.delete(name);
    wanted.forEach((name, index) => { if (!policies.has(name)) policies.set(name, new Policy(name, picked, index)); });
    host.replaceChildren(...(wanted.length ? wanted.map((name) => policies.get(name).node) : [el('div', { class: 'card empty' }, 'No policy has targets that requests are drawn from.')]));
  }
  for (const each of view.policies) policies.get(each.name).update(each, store, found);
  tiles.update(view, store);
  backends.update(view, store);
}

// Is it live? If not: why, and what that means.
function state() {
  const { message } = store;
  const silent = store.silent();
  const live = byId('live');
  const set = (kind, text) => { live.className = `live ${kind}`; say(byId('live-text'), text); };
  byId('main').classList.toggle('gone', silent || (message != null && !message.who.leads));
  if (message == null) { set('', 'Connecting'); banner(); return; }
  spaces(message);
  const late = store.view?.stepped ?? 0;
  const slowest = Math.max(0, ...(store.view?.policies ?? []).map((each) => each.interval));
  if (silent) {
    set('off', 'Not connected');
    banner('bad', message.who.kind === 'local' ? 'Signalbox does not answer.' : 'The operator does not answer.',
      `Nothing was heard for ${words.age(store.silence())}; what you see is from ${words.clock(store.view?.at ?? Date.now() / 1000)}. ${message.who.kind === 'local' ? 'Is signalbox up still running?' : 'Routers go on with their last weights, and with base shares once these are stale. If the port-forward ended, run signalbox dashboard again.'}`);
  } else if (!message.who.leads) {
    set('late', 'Not the leader');
    banner('info', 'This replica does not lead.', `${message.who.leader ? `${message.who.leader} does` : 'Nobody does at the moment'}, and only the leader knows the weights: signalbox dashboard finds it.`);
  } else if (!store.view) {
    set('late', 'Waiting');
    banner('info', 'No view yet.', 'The loop has not stepped, or there is no policy here whose targets have weights.');
  } else if (late > Math.max(LEAST_LATE, LATE_INTERVALS * slowest)) {
    set('late', `Still for ${words.age(late)}`);
    banner('', 'The loop stands still.', `Its last step was ${words.age(late)} ago. Routers go on with their last weights, and with base shares once these are stale.`);
  } else {
    const old = store.view.backends.filter((each) => each.engine !== 'None' && each.staleAfter != null && (each.age == null || each.age > each.staleAfter));
    set(old.length ? 'late' : 'on', old.length ? `Live, ${words.count(old.length, 'signal')} stale` : 'Live');
    banner();
  }
}

function banner(kind, title, text) {
  const box = byId('banner');
  box.hidden = !title;
  if (!title) return;
  box.className = `banner ${kind}`;
  if (!box.firstChild) box.append(el('b'), el('p'));
  say(box.firstChild, title);
  say(box.lastChild, text);
}

function spaces(message) {
  byId('spaces').hidden = message.spaces.length < 2;
  const select = byId('space');
  const text = JSON.stringify(message.spaces);
  if (select.dataset.of !== text) {
    select.dataset.of = text;
    select.replaceChildren(...message.spaces.map((name) => el('option', { value: name }, name)));
    select.value = message.space;
  }
  if (document.activeElement !== select) select.value = message.space;
  const title = message.spaces.length > 1 ? `${message.space} · Signalbox` : 'Signalbox';
  if (document.title !== title) document.title = title;
}

// Show another namespace.
function choose(space) {
  history.replaceState(null, '', `?namespace=${encodeURIComponent(space)}`);
  policies.clear();
  draw.policies = draw.names = '';
  picked.clear();
  store.follow(space);
}

byId('space').addEventListener('change', (event) => choose(event.target.value));
theme(() => { for (const each of policies.values()) each.theme(); backends.theme(); draw(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) draw(); });
setInterval(state, 1000);
store.follow(new URLSearchParams(location.search).get('namespace') ?? '');
