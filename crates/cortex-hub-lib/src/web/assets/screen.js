// Shows a screen as the hub draws it: rows of runs that look the same, and a cursor.

const LOWER = [
  "#1b1f24", "#e5534b", "#57ab5a", "#c69026", "#539bf5", "#b083f0", "#39c5cf", "#c9d1d9",
  "#768390", "#ff938a", "#6bc46d", "#daaa3f", "#6cb6ff", "#dcbdfb", "#56d4dd", "#ffffff",
];
const INK = "#e6eaef";
const PAPER = "#14181d";

// A colour of the palette, or one that is given in full.
function colour(name, otherwise) {
  if (name === undefined) return otherwise;
  if (name.startsWith("#")) return name;
  const number = Number(name);
  if (number < 16) return LOWER[number];
  if (number > 231) return `rgb(${Array(3).fill(8 + (number - 232) * 10).join(",")})`;
  const level = (step) => (step === 0 ? 0 : 55 + step * 40);
  const cube = number - 16;
  const parts = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6];
  return `rgb(${parts.map(level).join(",")})`;
}

function element(run) {
  const span = document.createElement("span");
  span.textContent = run.text;
  let [ink, paper] = [colour(run.fg, INK), colour(run.bg, PAPER)];
  if (run.inverse) [ink, paper] = [paper, ink];
  // Through the object model, which the policy of the page allows, and no attribute.
  if (ink !== INK) span.style.color = ink;
  if (paper !== PAPER) span.style.backgroundColor = paper;
  if (run.bold) span.style.fontWeight = "700";
  if (run.dim) span.style.opacity = ".6";
  if (run.italic) span.style.fontStyle = "italic";
  if (run.underline) span.style.textDecoration = "underline";
  return span;
}

export class Screen {
  constructor(rows, cursor) {
    this.rows = rows;
    this.cursor = cursor;
    this.shown = [];
  }

  // The size of a character.
  cell() {
    const probe = document.createElement("span");
    probe.textContent = "M".repeat(50);
    this.rows.append(probe);
    const { width } = probe.getBoundingClientRect();
    probe.remove();
    return { width: width / 50, height: parseFloat(getComputedStyle(this.rows).lineHeight) };
  }

  show(screen) {
    while (this.rows.children.length > screen.rows) this.rows.lastChild.remove();
    this.shown.length = this.rows.children.length;
    screen.runs.forEach((runs, number) => {
      const text = JSON.stringify(runs);
      if (this.shown[number] === text) return;
      this.shown[number] = text;
      const row = document.createElement("div");
      row.className = "row";
      row.append(...runs.map(element));
      const before = this.rows.children[number];
      if (before) before.replaceWith(row);
      else this.rows.append(row);
    });
    const { width, height } = this.cell();
    const { row, col, visible } = screen.cursor;
    this.cursor.hidden = !visible;
    Object.assign(this.cursor.style, {
      left: `${col * width}px`, top: `${row * height}px`, width: `${width}px`, height: `${height}px`,
    });
  }
}
