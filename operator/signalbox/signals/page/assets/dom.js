// Elements, without a framework. Text is always text: nothing that a policy is called becomes markup.

const SVG = 'http://www.w3.org/2000/svg';

export function el(name, options = {}, ...children) {
  return fill(document.createElement(name), options, children);
}

export function svg(name, options = {}, ...children) {
  return fill(document.createElementNS(SVG, name), options, children);
}

function fill(node, options, children) {
  for (const [key, value] of Object.entries(options)) {
    if (value == null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style') Object.assign(node.style, value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

// Change a text only if it is another: what has not changed stays selected, and screen readers stay calm.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const chip = (colour) => el('i', { class: 'chip', style: { background: colour }, 'aria-hidden': 'true' });
