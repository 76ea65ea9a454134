// What the page knows: the newest message, and a quarter of an hour of columns. Bounded, however long it is open.

const KEEP_SECONDS = 900;
const SPARE = 60;
const SILENT_SECONDS = 7;
const AGAIN_SECONDS = 3;
const LOST_SECONDS = 10;
const WEIGHT = ['effective', 'base', 'reason'];
export const MEASURES = ['requests', 'running', 'waiting', 'kvUsage', 'utilization', 'firstToken', 'errors', 'age', 'tokens'];

export class Store {
  // `changed` hears whether there is a new view, `ended` of another namespace when that which is followed has gone.
  constructor(changed, ended) {
    this.changed = changed;
    this.ended = ended;
    this.space = '';
    this.clear();
  }

  clear() {
    this.message = null;
    this.view = null;
    this.heardAt = 0;
    this.lostAt = null;
    this.times = [];
    this.weights = new Map();
    this.backends = new Map();
    this.reasons = [];
  }

  // Listen to one namespace, "" for the first there is.
  async follow(space) {
    this.space = space;
    this.source?.close();
    clearTimeout(this.again);
    this.clear();
    const turn = this.turn = (this.turn ?? 0) + 1;
    await this.recall();
    if (turn === this.turn) this.connect();
  }

  async recall() {
    const space = this.space;
    try {
      const answer = await fetch(`history?namespace=${encodeURIComponent(space)}`);
      if (!answer.ok) return;
      const past = await answer.json();
      if (space !== this.space) return;
      this.times = past.at;
      this.reasons = past.reasons;
      this.weights = new Map(Object.entries(past.weights));
      this.backends = new Map(Object.entries(past.backends));
    } catch { /* nobody is there: the stream says so */ }
  }

  connect() {
    const source = this.source = new EventSource(`stream?namespace=${encodeURIComponent(this.space)}`);
    source.onmessage = (event) => this.take(JSON.parse(event.data));
    source.onerror = () => {
      // A browser tries again by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED && source === this.source) {
        this.again = setTimeout(() => this.connect(), AGAIN_SECONDS * 1000);
      }
      this.changed(false);
    };
  }

  take(message) {
    this.heardAt = performance.now();
    if (this.space && message.space && message.space !== this.space) {
      // What is told now is of another, which has a past of its own. A new leader may only not know ours yet.
      this.lostAt ??= this.heardAt;
      if (this.heardAt - this.lostAt > LOST_SECONDS * 1000) this.ended(message.space);
      return;
    }
    this.lostAt = null;
    this.message = message;
    this.space ||= message.space;
    const fresh = message.view != null && message.view.at !== this.view?.at;
    if (fresh) {
      this.view = message.view;
      this.keep(message.view);
    }
    this.changed(fresh);
  }

  // Whether whoever serves the page has gone, and for how long.
  silence() {
    return this.heardAt === 0 ? 0 : (performance.now() - this.heardAt) / 1000;
  }

  silent() {
    return this.silence() > SILENT_SECONDS;
  }

  keep(view) {
    if (view.at === this.times.at(-1)) return;
    const later = this.times.findIndex((at) => at >= view.at);
    if (later >= 0) this.drop(later, this.times.length - later);  // the calendar was set back
    const last = this.times.at(-1);
    if (last !== undefined && view.at - last > 20) this.point(last + 1, new Map(), new Map());  // a gap is no line
    const weights = new Map();
    for (const policy of view.policies) for (const route of policy.routes) for (const set of route.sets) for (const target of set.targets) {
      if (target.effective == null) continue;
      weights.set([policy.name, route.name, set.tier, target.name].join('/'), [target.effective, target.base, this.code(target.reason)]);
    }
    const backends = new Map(view.backends.map((each) => [each.name, MEASURES.map((name) => each[name])]));
    this.point(view.at, weights, backends);
    this.trim(view.at);
  }

  code(reason) {
    const place = this.reasons.indexOf(reason);
    return place >= 0 ? place : this.reasons.push(reason) - 1;
  }

  point(at, weights, backends) {
    const before = this.times.length;
    this.times.push(at);
    add(this.weights, WEIGHT, weights, before);
    add(this.backends, MEASURES, backends, before);
  }

  trim(now) {
    let old = 0;
    while (old < this.times.length && this.times[old] < now - KEEP_SECONDS) old += 1;
    if (old >= SPARE) this.drop(0, old);
  }

  drop(from, count) {
    this.times.splice(from, count);
    for (const lines of [this.weights, this.backends]) {
      for (const [name, columns] of lines) {
        for (const column of Object.values(columns)) column.splice(from, count);
        if (Object.values(columns).every((column) => column.every((value) => value == null))) lines.delete(name);
      }
    }
  }

  // Moves of a set's weights, the newest first: steps in one direction for one reason are one move.
  moves(prefix, least = 0.015, most = 8) {
    const found = [];
    for (const [key, columns] of this.weights) {
      if (!key.startsWith(prefix)) continue;
      const target = key.slice(prefix.length);
      if (target.includes('/')) continue;
      let open = null;
      const close = () => {
        if (open && (Math.abs(open.to - open.from) >= least || open.turned)) found.push(open);
        open = null;
      };
      let was = null;
      let why = null;
      this.times.forEach((at, index) => {
        const value = columns.effective[index];
        if (value == null) { close(); was = null; return; }
        const reason = this.reasons[columns.reason[index]] ?? '';
        if (was != null) {
          const step = value - was;
          const turned = reason !== why && (reason === 'NoEndpoint' || why === 'NoEndpoint' || reason === 'Stale' || why === 'Stale');
          if (open && (reason !== open.reason || step * (open.to - open.from) < 0 || at - open.until > 25)) close();
          if (Math.abs(step) > 0.002 || turned) {
            open ??= { target, reason, from: was, at, turned: false, back: '', base: columns.base[index] };
            if (turned && why === 'NoEndpoint') open.back = 'it is back';
            Object.assign(open, { to: value, until: at, turned: open.turned || turned });
          }
        }
        was = value;
        why = reason;
      });
      close();
    }
    return found.sort((a, b) => b.until - a.until).slice(0, most);
  }
}

function add(lines, names, values, before) {
  for (const name of values.keys()) {
    if (!lines.has(name)) lines.set(name, Object.fromEntries(names.map((each) => [each, new Array(before).fill(null)])));
  }
  for (const [name, columns] of lines) {
    const found = values.get(name);
    names.forEach((each, index) => columns[each].push(found?.[index] ?? null));
  }
}
