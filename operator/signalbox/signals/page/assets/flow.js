// From routes to targets: a drawing whose widths are shares of the policy's requests.

import { colour } from './colours.js';
import { svg } from './dom.js';
import * as words from './words.js';

const LEFT = 168;
const RIGHT = 196;
const BAR = 9;
const TOP = 22;
const LEAST = 232;
// What is left of the height is between nodes.
const FILLED = 0.72;
// Below so many requests in the seconds that a rate is of, what happened by chance is no share: weights are drawn.
const ENOUGH = 2;
const EASE_MS = 650;

export class Flow {
  constructor(host, picked) {
    this.host = host;
    this.picked = picked;
    this.shown = new Map();
    this.frame = 0;
    this.svg = svg('svg', { class: 'flow', role: 'img' });
    host.append(this.svg);
    new ResizeObserver(() => this.draw()).observe(host);
  }

  show(policy, backends) {
    this.plan = lay(policy, backends);
    this.svg.setAttribute('aria-label', told(this.plan));
    const from = new Map(this.shown);
    const to = this.plan.shares;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches || document.hidden || from.size === 0) {
      this.shown = to;
      this.draw();
      return;
    }
    cancelAnimationFrame(this.frame);
    const begun = performance.now();
    const step = (now) => {
      const done = Math.min(1, (now - begun) / EASE_MS);
      const part = 1 - (1 - done) ** 3;
      this.shown = new Map([...to].map(([key, value]) => [key, (from.get(key) ?? 0) * (1 - part) + value * part]));
      this.draw();
      if (done < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  draw() {
    const { plan } = this;
    const width = this.host.clientWidth;
    if (!plan || width === 0) return;
    const dense = plan.targets.length > 14;
    const slot = dense ? 17 : 42;
    const rows = Math.max(plan.targets.length * slot, plan.routes.length * 40, plan.simple ? LEAST / 2 : LEAST);
    const left = place(plan.routes, (route) => sum(plan.links.filter((l) => l.route === route).map((l) => this.shown.get(l.key) ?? 0)), rows, 38);
    const right = place(plan.targets, (target) => sum(plan.links.filter((l) => l.target === target).map((l) => this.shown.get(l.key) ?? 0)), rows, slot);
    const height = TOP + Math.max(left.height, right.height, rows) + 6;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('height', height);
    const x0 = LEFT;
    const x1 = Math.max(LEFT + 80, width - RIGHT);
    const parts = [
      svg('text', { class: 'col', x: x0 + BAR, y: 11, 'text-anchor': 'end' }, 'Routes'),
      svg('text', { class: 'col', x: x1, y: 11 }, plan.by),
    ];
    const used = { left: new Map(), right: new Map() };
    const links = plan.links.map((link) => ({ ...link, h: Math.max(0, (this.shown.get(link.key) ?? 0) * left.scale) }));
    for (const link of links) {
      const a = take(used.left, link.route, left.at.get(link.route), link.h);
      const b = take(used.right, link.target, right.at.get(link.target), link.h);
      if (link.h < 0.05) continue;
      const middle = (x0 + BAR + x1) / 2;
      const h = Math.max(link.h, 0.8);
      const d = `M${x0 + BAR},${TOP + a}C${middle},${TOP + a} ${middle},${TOP + b} ${x1},${TOP + b}v${h}C${middle},${TOP + b + h} ${middle},${TOP + a + h} ${x0 + BAR},${TOP + a + h}z`;
      const lit = this.picked.has(link.target.backend);
      parts.push(svg('path', { class: `ribbon${plan.idle ? ' idle' : ''}${lit ? ' lit' : ''}`, d, style: { fill: colour(link.target.backend) } }, svg('title', {}, `${link.route.name} → ${link.target.name}: ${words.percent(plan.shares.get(link.key))}`)));
    }
    for (const route of plan.routes) {
      const { y, h } = left.at.get(route);
      parts.push(svg('rect', { class: 'node route', x: x0, y: TOP + y, width: BAR, height: Math.max(h, 2) }));
      const middle = TOP + y + Math.max(h, 2) / 2;
      parts.push(svg('text', { x: x0 - 10, y: middle - 1, 'text-anchor': 'end' }, clip(route.name, 22)));
      parts.push(svg('text', { class: 'sub', x: x0 - 10, y: middle + 13, 'text-anchor': 'end' }, `${words.rate(route.requests)}/s${route.spill ? `, ${words.percent(route.spill)} spills` : ''}`));
    }
    for (const target of plan.targets) {
      const { y, h, line } = right.at.get(target);
      const { text, tone } = target.why;
      parts.push(svg('rect', { class: h < 0.5 ? 'node off' : 'node', x: x1, y: TOP + y, width: BAR, height: Math.max(h, 2), style: h < 0.5 ? {} : { fill: colour(target.backend) } }));
      const at = TOP + line;
      if (dense) {
        parts.push(svg('text', { x: x1 + BAR + 9, y: at + 4 }, svg('tspan', { class: 'num' }, words.percent(target.share)), ` ${clip(target.name, 14)} `, svg('tspan', { class: `sub ${tone}` }, tone ? text.split(/[,:]/)[0] : '')));
      } else {
        parts.push(svg('text', { x: x1 + BAR + 9, y: at - 2 }, svg('tspan', { class: 'num' }, words.percent(target.share)), ` ${clip(target.name, 19)}`));
        parts.push(svg('text', { class: `sub ${tone}`, x: x1 + BAR + 9, y: at + 13 }, text));
      }
    }
    this.svg.classList.toggle('focus', plan.targets.some((target) => this.picked.has(target.backend)));
    this.svg.replaceChildren(...parts);
  }
}

function lay(policy, backends) {
  const total = policy.requests;
  const idle = total < 0.05;
  const shares = new Map();
  const targets = new Map();
  const links = [];
  for (const route of policy.routes) {
    const part = idle ? 1 / policy.routes.length : route.requests / total;
    const counted = route.requests >= ENOUGH || route.sets.every((set) => set.targets.every((target) => target.effective == null));
    const tiers = falls(route);
    for (const set of route.sets) {
      for (const target of set.targets) {
        const own = counted ? (route.requests ? target.requests / route.requests : 0) : (target.effective ?? 0) * (tiers.get(set.tier) ?? 0);
        const backend = backends.get(target.backend);
        const known = targets.get(target.name) ?? { name: target.name, backend: target.backend, share: 0, most: -1, why: null };
        const share = part * own;
        known.share += share;
        if (known.why == null || share > known.most) Object.assign(known, { most: share, why: words.reason(target, backend, policy.mode) });
        targets.set(target.name, known);
        const key = [route.name, set.tier, target.name].join('/');
        links.push({ key, route, target: known });
        shares.set(key, (shares.get(key) ?? 0) + share);
      }
    }
  }
  const order = [...targets.values()];
  links.sort((a, b) => order.indexOf(a.target) - order.indexOf(b.target));
  const simple = policy.routes.every((route) => route.sets.every((set) => set.targets.length === 1 || set.targets.every((target) => target.effective == null)));
  return { routes: policy.routes, targets: order, links, shares, idle, simple, by: idle ? 'Targets, by weight: no requests now' : 'Targets, by requests' };
}

// The part of each tier of a failover: the first that can serve has all but what spills.
function falls(route) {
  const parts = new Map();
  let left = 1;
  for (const set of route.sets) {
    const able = set.targets.some((target) => target.effective == null || target.effective > 0);
    const here = !able ? 0 : parts.size === 0 && route.spill ? left * (1 - route.spill) : left;
    if (here > 0 || able) parts.set(set.tier, here);
    left -= here;
  }
  return parts;
}

// Nodes below each other: as high as their share, and no label upon another. Both sides have the same scale.
function place(nodes, share, room, slot) {
  const scale = FILLED * room;
  const heights = nodes.map((node) => share(node) * scale);
  const boxes = heights.map((height) => Math.max(height, slot * 0.8));
  const gap = Math.max(Math.min(14, 60 / nodes.length), (room - sum(boxes)) / Math.max(1, nodes.length - 1));
  const at = new Map();
  let y = nodes.length > 1 ? 0 : Math.max(0, (room - boxes[0]) / 2);
  nodes.forEach((node, index) => {
    at.set(node, { y: y + (boxes[index] - heights[index]) / 2, h: heights[index], line: y + boxes[index] / 2 });
    y += boxes[index] + gap;
  });
  return { at, height: y - gap, scale };
}

function take(used, node, { y }, h) {
  const before = used.get(node) ?? 0;
  used.set(node, before + h);
  return y + before;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const clip = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

function told(plan) {
  const targets = plan.targets.map((target) => `${target.name} ${words.percent(target.share)}, ${target.why.text}`);
  return `Flow from ${words.count(plan.routes.length, 'route')} to ${words.count(plan.targets.length, 'target')}. ${targets.slice(0, 12).join('; ')}${targets.length > 12 ? '; …' : ''}.`;
}
