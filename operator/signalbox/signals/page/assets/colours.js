// One colour for each backend, the same everywhere; and what the theme says.

const HUES = [255, 168, 72, 312, 215, 128, 345, 48, 285, 190];
const names = new Map();

// In the order of names, so that a page that is opened again looks the same.
export function assign(backends) {
  names.clear();
  backends.forEach((name, index) => names.set(name, index));
}

// What is large has a softer one: areas are not to shout.
export function soft(name, alpha = 1) {
  return colour(name, alpha, '--soft');
}

export function colour(name, alpha = 1, kind = '--data') {
  const index = names.get(name);
  const style = getComputedStyle(document.documentElement);
  const light = parseFloat(style.getPropertyValue(`${kind}-l`));
  const chroma = parseFloat(style.getPropertyValue(`${kind}-c`));
  if (index === undefined) return `oklch(${light} 0.01 260 / ${alpha})`;
  const hue = index < HUES.length ? HUES[index] : (index * 137.508) % 360;
  const shift = [0, -0.05, 0.05][index % 3];
  return `oklch(${light + shift} ${chroma} ${hue} / ${alpha})`;
}

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The switch: by the system, light or dark. What was chosen is remembered where the browser lets us.
const system = matchMedia('(prefers-color-scheme: dark)');
let wanted = 'auto';

export function theme(changed) {
  try { wanted = localStorage.getItem('theme') ?? 'auto'; } catch { /* not allowed: for this time only */ }
  const apply = () => {
    document.documentElement.dataset.theme = wanted === 'auto' ? (system.matches ? 'dark' : 'light') : wanted;
    changed();
  };
  for (const input of document.querySelectorAll('#theme input')) {
    input.checked = input.value === wanted;
    input.addEventListener('change', () => {
      wanted = input.value;
      try { localStorage.setItem('theme', wanted); } catch { /* as above */ }
      apply();
    });
  }
  system.addEventListener('change', apply);
  apply();
}
